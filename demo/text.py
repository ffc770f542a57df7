"""Text encoders: learn to name what a caption says, then stay as they are.

They never see a held-out caption. Throw-away linear probes read the attributes off the very tensors
that the transformers will read; only the encoders are kept.
"""

import torch
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerBase,
    T5Config,
    T5EncoderModel,
)

from progress import Progress
from scenes import COLOURS, PLACES, SHAPES, SIZES, Scene, all_scenes
from words import CLIP_LENGTH

T5_WIDTH = 96
STEPS = 900
BATCH = 64
ATTRIBUTES: dict[str, list[str]] = {
    "shape": list(SHAPES),
    "colour": list(COLOURS),
    "background": list(COLOURS),
    "size": list(SIZES),
    "place": list(PLACES),
}


def make_clip(tokenizer: PreTrainedTokenizerBase, width: int, activation: str) -> nn.Module:
    """A two-layer CLIP text model whose vocabulary and marks are the tokenizer's."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        hidden_act=activation,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = CLIPTextModelWithProjection(config)
    # SD3 reads the layer before the last without a norm, so the embeddings set its scale.
    for name, parameter in model.named_parameters():
        if "embedding" in name:
            nn.init.normal_(parameter, std=0.5)
    return model


def make_t5(tokenizer: PreTrainedTokenizerBase) -> nn.Module:
    """A two-layer T5 encoder; the vocabulary is rounded up so that it splits evenly."""
    config = T5Config(
        vocab_size=-(-len(tokenizer) // 32) * 32,
        d_model=T5_WIDTH,
        d_kv=16,
        num_heads=T5_WIDTH // 16,
        d_ff=2 * T5_WIDTH,
        num_layers=2,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        use_cache=False,
        is_encoder_decoder=False,
    )
    return T5EncoderModel(config)


def train_text_encoder(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, masked: bool, steps: int, label: str
) -> None:
    """Train in place; `masked` says whether the family shows the encoder its padding mask."""
    model.train()
    scenes = all_scenes(held_out=False)
    tokens = _tokens(tokenizer, scenes)
    answers = _answers(scenes)
    features = _features(model, tokens["input_ids"][:1], tokens["attention_mask"][:1], masked)
    probes = nn.ModuleList(
        nn.ModuleList(nn.Linear(f.shape[-1], len(v)) for v in ATTRIBUTES.values())
        for f in features
    )
    parameters = [*model.parameters(), *probes.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    progress = Progress(label, steps)
    for step in range(steps):
        rows = torch.randint(len(scenes), (BATCH,))
        ids, mask = tokens["input_ids"][rows], tokens["attention_mask"][rows]
        loss = torch.zeros(())
        for feature, heads in zip(_features(model, ids, mask, masked), probes, strict=True):
            for column, head in enumerate(heads):
                loss = loss + nn.functional.cross_entropy(head(feature), answers[rows, column])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        progress.show(step + 1, f"loss {loss.item():.3f}")
    model.eval().requires_grad_(False)
    progress.note(f"held-out attributes right: {_accuracy(model, tokenizer, masked, probes):.1%}")


def _tokens(tokenizer: PreTrainedTokenizerBase, scenes: list[Scene]) -> dict[str, Tensor]:
    return tokenizer(
        [scene.caption for scene in scenes],
        padding="max_length",
        max_length=CLIP_LENGTH,
        return_tensors="pt",
    )


def _answers(scenes: list[Scene]) -> Tensor:
    rows = [[v.index(getattr(s, name)) for name, v in ATTRIBUTES.items()] for s in scenes]
    return torch.tensor(rows)


def _features(model: nn.Module, ids: Tensor, mask: Tensor, masked: bool) -> list[Tensor]:
    """What the transformers read of this encoder, a vector a caption each."""
    if isinstance(model, CLIPTextModelWithProjection):
        out = model(ids, output_hidden_states=True)
        return [out.text_embeds, _mean(out.hidden_states[-2], mask)]
    hidden = model(ids, attention_mask=mask if masked else None)[0]
    return [_mean(hidden, mask)]


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    weights = mask[..., None].float()
    return (hidden * weights).sum(1) / weights.sum(1)


@torch.no_grad()
def _accuracy(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, masked: bool, probes: nn.ModuleList
) -> float:
    scenes = all_scenes(held_out=True)
    tokens, answers = _tokens(tokenizer, scenes), _answers(scenes)
    features = _features(model, tokens["input_ids"], tokens["attention_mask"], masked)
    right = [
        (head(feature).argmax(-1) == answers[:, column]).float().mean()
        for feature, heads in zip(features, probes, strict=True)
        for column, head in enumerate(heads)
    ]
    return torch.stack(right).mean().item()
