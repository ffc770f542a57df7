// Bad jobs and what is said about them. kExact holds whole messages; kCorpus, by the line that is
// wrong, the part that matters.
#include <gtest/gtest.h>

#include <chrono>

#include "src/config/job.h"
#include "tests/support/error_of.h"

namespace trireme {
namespace {

Refusal refuse(const std::string& text) {
  return error_of([&] { parse_job(text, "job.yaml"); });
}

const std::string kStart = "version: 1\nmodel: {path: org/name}\n";
const std::string kGood = kStart + "prompts: [a cat]\n";  // three lines

struct Exact {
  std::string job;
  std::string message;
};

const std::vector<Exact> kExact = {
    {kGood + "sampling:\n    guidance_scal: 7.0\n",
     "job.yaml:5:5: [sampling.guidance_scal] unknown key -> did you mean guidance_scale?\n"
     "    guidance_scal: 7.0\n"
     "    ^"},
    {kGood + "sampling: {height: tall}\n",
     "job.yaml:4:20: [sampling.height] tall -> a whole number\n"
     "sampling: {height: tall}\n"
     "                   ^"},
    {kGood + "sampling: {seed: \"7\"}\n",
     "job.yaml:4:18: [sampling.seed] \"7\" -> a whole number from 0 to 18446744073709551615 -> in "
     "quotes it is text; remove them\n"
     "sampling: {seed: \"7\"}\n"
     "                 ^"},
    {kGood + "device: gpu\n",
     "job.yaml:4:9: [device] gpu -> one of auto, cuda, cpu -> did you mean cuda?\n"
     "device: gpu\n"
     "        ^"},
    {"model: {path: org/name}\nprompts: [a cat]\n",
     "job.yaml:1:1: [version] not given -> needed -> write version: 1\n"
     "model: {path: org/name}\n"
     "^"},
    {"version: 2\nmodel: {path: org/name}\nprompts: [a cat]\n",
     "job.yaml:1:10: [version] 2 -> 1, the version of job files that this program reads\n"
     "version: 2\n"
     "         ^"},
    {kGood + "dataset: {path: p.txt}\n",
     "job.yaml:4:10: [dataset] a map -> prompts or a dataset, not both -> leave one out (--set "
     "prompts=null)\n"
     "dataset: {path: p.txt}\n"
     "         ^"},
    {kStart,
     "job.yaml:1:1: [prompts] not given -> prompts or a dataset -> write prompts: [a photo of a "
     "cat]\n"
     "version: 1\n"
     "^"},
    {kGood + "device: cpu\ndevice: cuda\n",
     "job.yaml:5:1: [yaml] device -> each key once -> it is doubled; the first is on line 4\n"
     "device: cuda\n"
     "^"},
    {kStart + "prompts:\n  - a sign: hello\n",
     "job.yaml:4:5: [prompts.0] a map -> a prompt -> a text that holds ': ' needs quotes\n"
     "  - a sign: hello\n"
     "    ^"},
    {kGood + "sampling: {sigmas: [1.0, 0.5], num_inference_steps: 28}\n",
     "job.yaml:4:53: [sampling.num_inference_steps] 28 -> 2, as there are 2 sigmas -> sigmas set "
     "the "
     "number of steps; leave num_inference_steps out\n"
     "sampling: {sigmas: [1.0, 0.5], num_inference_steps: 28}\n"
     "                                                    ^"},
    {kGood + "stages: [encode, decode]\n",
     "job.yaml:4:9: [stages] a list -> a contiguous part of [encode, denoise, decode], in that "
     "order\n"
     "stages: [encode, decode]\n"
     "        ^"},
    {kGood + "seed: 3\n",
     "job.yaml:4:1: [seed] unknown key -> did you mean sampling.seed?\n"
     "seed: 3\n"
     "^"},
    {"version: 1\n\tmodel: x\n",
     "job.yaml:2:1: [yaml] a tab in the indentation -> spaces\n"
     "\tmodel: x\n"
     "^"},
    {"version: 1\nmodel: \xff\n",
     "job.yaml:2:8: [yaml] byte 0xff is not UTF-8, at byte 18 -> text in UTF-8 -> saved in another "
     "encoding, or not a text file\n"
     "model: ?\n"
     "       ^"},
    {"", "job.yaml:1:1: [job] an empty file -> at least version, model and prompts"},
    {"- a cat\n",
     "job.yaml:1:1: [job] a list -> keys with values, such as version: 1\n"
     "- a cat\n"
     "^"},
};

TEST(BadJob, ExactMessages) {
  for (const Exact& bad : kExact) {
    Refusal refusal = refuse(bad.job);
    EXPECT_EQ(refusal.exit, Exit::kBadJob) << bad.job;
    EXPECT_EQ(refusal.text, bad.message);
  }
}

struct Bad {
  std::string lines;    // after kGood
  std::string message;  // part of what is said
};

const std::vector<Bad> kCorpus = {
    // Unknown keys, on every level.
    {"promtps: [x]", "[promtps] unknown key -> did you mean prompts?"},
    {"cfg: 3", "[cfg] unknown key -> did you mean sampling.guidance_scale?"},
    {"batch_size: 3", "[batch_size] unknown key -> did you mean layout.batch_size?"},
    {"zzzzzz: 3", "[zzzzzz] unknown key -> one of version, model,"},
    {"sampling: {steps: 3}", "[sampling.steps] unknown key -> did you mean num_inference_steps?"},
    {"sampling: {Guidance-Scale: 3}", "did you mean guidance_scale?"},
    {"layout: {replica: 2}", "[layout.replica] unknown key -> did you mean replicas?"},
    {"layout: {tensor: 2}",
     "[layout.tensor] unknown key -> did you mean layout.transformer.tensor?"},
    {"layout: {transformer: {tp: 2}}",
     "[layout.transformer.tp] unknown key -> did you mean tensor?"},
    {"layout: {vae: {tensor: 2}}", "[layout.vae.tensor] unknown key -> one of ranks, patch"},
    {"output: {fromat: png}", "[output.fromat] unknown key -> did you mean format?"},
    // Types.
    {"sampling: 7", "[sampling] 7 -> keys with values, such as {guidance_scale: 7.0}"},
    {"sampling: {height: 512.0}", "[sampling.height] 512.0 -> a whole number -> write 512"},
    {"sampling: {height: 0x200}", "[sampling.height] 0x200 -> a whole number"},
    {"sampling: {height: [512]}", "[sampling.height] a list -> a whole number"},
    {"sampling: {guidance_scale: high}", "[sampling.guidance_scale] high -> a number"},
    {"sampling: {guidance_scale: .inf}", "[sampling.guidance_scale] .inf -> a number"},
    {"sampling: {guidance_scale: nan}", "[sampling.guidance_scale] nan -> a finite number"},
    {"sampling: {clean_caption: yes}", "[sampling.clean_caption] yes -> true or false"},
    {"sampling: {negative_prompt: [a]}", "[sampling.negative_prompt] a list -> a text"},
    {"sampling: {sigmas: 1.0}", "[sampling.sigmas] 1.0 -> a list of numbers"},
    {"sampling: {sigmas: [1.0, x]}", "[sampling.sigmas.1] x -> a number"},
    {"sampling: {scheduler: Heun}",
     "[sampling.scheduler] Heun -> keys with values, such as {class:"},
    {"sampling: {scheduler: {shift: 3}}", "[sampling.scheduler] a map -> a map with a class"},
    {"sampling: {scheduler: {class: X, shift: nan}}", "[sampling.scheduler.shift] nan -> a finite"},
    {"layout: tensor", "[layout] tensor -> one of auto, balanced, keys such as {replicas: 2}"},
    {"layout: [1]", "[layout] a list -> keys with values"},
    {"layout: {vae: 2}", "[layout.vae] 2 -> keys with values, such as {ranks: all}"},
    // Ranges.
    {"sampling: {height: 0}", "[sampling.height] 0 -> from 1 to 32768"},
    {"sampling: {height: -16}", "[sampling.height] -16 -> from 1 to 32768"},
    {"sampling: {num_inference_steps: 0}", "[sampling.num_inference_steps] 0 -> from 1 to 100000"},
    {"sampling: {num_images_per_prompt: 0}", "[sampling.num_images_per_prompt] 0 -> from 1"},
    {"sampling: {seed: -1}", "[sampling.seed] -1 -> a whole number from 0"},
    {"sampling: {seed: 18446744073709551616}", "[sampling.seed] 18446744073709551616 -> a whole"},
    {"sampling: {max_sequence_length: 0}", "[sampling.max_sequence_length] 0 -> from 1"},
    {"sampling: {clip_skip: -1}", "[sampling.clip_skip] -1 -> from 0"},
    {"sampling: {skip_layer_guidance_stop: 1.5}", "1.5 -> from 0 to 1"},
    {"sampling: {timesteps: [-1]}", "[sampling.timesteps.0] -1 -> from 0"},
    {"sampling: {sigmas: [1.0], timesteps: [999]}",
     "sigmas (SD3) or timesteps (PixArt-Sigma), not"},
    {"layout: {transformer: {guidance: 3}}", "[layout.transformer.guidance] 3 -> from 1 to 2"},
    {"layout: {vae: {ranks: 3-1}}", "[layout.vae.ranks] 3-1 -> ranks as 0, 0-3, [0, 2] or all"},
    {"layout: {vae: {ranks: -1}}", "[layout.vae.ranks] -1 -> ranks as"},
    {"layout: {vae: {ranks: [0, 0], patch: 2}}", "[layout.vae.ranks] a list -> each rank once"},
    {"layout: {vae: {ranks: []}}", "[layout.vae.ranks] an empty list -> ranks as"},
    {"layout: {vae: {ranks: 0-99999999999}}", "[layout.vae.ranks] 0-99999999999 -> ranks as"},
    {"threads: 0", "[threads] 0 -> auto or a number from 1 to 4096"},
    {"output: {shard_size: 0}", "[output.shard_size] 0 -> from 1"},
    {"output: {max_failed: 0.1}",
     "[output.max_failed] 0.1 -> a count or a share, such as 10 or 0.1%"},
    {"output: {max_failed: 101%}", "[output.max_failed] 101% -> a count or a share"},
    {"output: {max_failed: -1}", "[output.max_failed] -1 -> a count or a share"},
    // Words.
    {"output: {format: jpg}",
     "[output.format] jpg -> one of png, jpeg, webp, latents, embeds -> did"},
    {"output: {on_error: ignore}", "[output.on_error] ignore -> one of quarantine, stop"},
    {"output: {metadata: all}", "[output.metadata] all -> one of none, minimal, full"},
    {"output: {path: ''}", "[output.path] \"\" -> a path"},
    {"stages: [decode, encode]", "[stages] a list -> a contiguous part"},
    {"stages: [encode, encode]", "[stages] a list -> a contiguous part"},
    {"stages: []", "[stages] an empty list -> a contiguous part"},
    {"stages: [encode, denoize]",
     "[stages] denoize -> one of encode, denoise, decode -> did you mean"},
    // What does not go together.
    {"input: embeds", "[input] embeds -> no input, as the first stage is encode"},
    {"stages: [denoise]",
     "[input] not given -> the folder that an earlier job wrote, as the first"},
    {"stages: [decode]\ninput: x", "[prompts] a list -> no prompts beside input"},
    {"output: {format: latents}",
     "[output.format] latents -> png, jpeg or webp, as the last stage is"},
    {"stages: [encode]\noutput: {format: png}",
     "[output.format] png -> embeds, as the last stage is"},
    {"output: {format: jpeg, quality: 0}", "[output.quality] 0 -> from 1 to 100"},
    {"output: {format: jpeg, quality: 101}", "[output.quality] 101 -> from 1 to 100"},
    {"output: {quality: 90}",
     "[output.quality] 90 -> no quality, which only format: jpeg and webp have"},
    {"output: {captions: true}", "[output.captions] true -> false, as only container: webdataset"},
    // YAML that reads otherwise than it looks.
    {"sampling: &s {seed: 1}", "[yaml] an anchor (&name) -> every value written where it is used"},
    {"sampling: *s", "[yaml]"},
    {"sampling: {<<: {seed: 1}}",
     "[yaml] a merge key (<<) -> every value written where it is used"},
    {"sampling: !!map {seed: 1}", "[yaml] tag tag:yaml.org,2002:map -> a value without a tag"},
    {"sampling: {seed: !!int 1}", "[yaml] tag tag:yaml.org,2002:int -> a value without a tag"},
    {"sampling: {[1]: 2}", "[yaml] a list as a key -> a word"},
    {"---\nversion: 1", "[yaml] a second document (---) -> one document in a file"},
    {"sampling: {seed: 1, seed: 2}", "[yaml] seed -> each key once -> it is doubled"},
    {"device: cpu: 3",
     "[yaml] illegal map value -> valid YAML -> a text that holds ': ' needs quotes"},
    {"device: [cpu", "-> valid YAML -> the indentation, a bracket or a quote near here"},
    {"device: \"cpu", "[yaml] a quote that is not closed -> a closing quote"},
    {"device: 'it''s", "[yaml] a quote that is not closed -> a closing quote"},
    {"device: @cpu", "-> valid YAML -> a text that begins with such a character needs quotes"},
    {"# \x04", "[yaml] control character 0x04, at byte"},
    {"# \xed\xa0\x80", "[yaml] byte 0xed is not UTF-8, at byte"},  // a lone surrogate
    {"# \xc0\xaf", "[yaml] byte 0xc0 is not UTF-8, at byte"},      // an overlong form
};

TEST(BadJob, Corpus) {
  for (const Bad& bad : kCorpus) {
    Refusal refusal = refuse(kGood + bad.lines + "\n");
    EXPECT_EQ(refusal.exit, Exit::kBadJob) << bad.lines;
    EXPECT_NE(refusal.text.find(bad.message), std::string::npos)
        << bad.lines << "\nis refused with\n"
        << refusal.text << "\nwithout\n"
        << bad.message;
  }
}

// The same for the parts that kGood already holds.
const std::vector<Bad> kRowsAndModels = {
    {"version: 1\nprompts: [a]", "[model] not given -> needed -> write model: {path:"},
    {"version: 1\nprompts: [a]\nmodel: org/name", "[model] org/name -> keys with values, such as"},
    {"version: 1\nprompts: [a]\nmodel: {}", "[model.path] not given -> needed"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, dtype: half}", "did you mean float16?"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, components: {text_encoder3: null}}",
     "[model.components.text_encoder3] unknown key -> did you mean text_encoder_3?"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, components: {vae: {quantize: int4}}}",
     "[model.components.vae.quantize] int4 -> one of int8, nf4, fp8 -> did you mean int8?"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, components: {transformer: {position_table: "
     "wide}}}",
     "[model.components.transformer.position_table] wide -> one of fixed, extend"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, components: {vae: {position_table: extend}}}",
     "[model.components.vae.position_table] unknown key"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, components: {vae: {tiling: true}}}\nlayout: {vae: "
     "{patch: 2}}",
     "[model.components.vae.tiling] true beside layout.vae.patch: 2 -> one of the two"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, components: {vae: {quantize: int8}}}",
     "[model.components.vae.quantize] int8 -> only linear layers are quantized, and the VAE has "
     "convolutions -> leave it out"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, components: {tokenizer_2: {quantize: fp8}}}",
     "[model.components.tokenizer_2.quantize] fp8 -> it has no weights -> leave it out"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, components: {scheduler: {quantize: fp8}}}",
     "[model.components.scheduler.quantize] fp8 -> it has no weights -> leave it out"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, components: {transformer: {quantize: int8, "
     "double_quant: false}}}",
     "[model.components.transformer.double_quant] false -> goes with quantize: nf4"},
    {"version: 1\nprompts: [a]\nmodel: {path: x, components: {text_encoder: {double_quant: "
     "true}}}",
     "[model.components.text_encoder.double_quant] true -> goes with quantize: nf4"},
    {"version: '1'\nprompts: [a]\nmodel: {path: x}", "[version] \"1\" -> 1, the version"},
    {kStart + "prompts: a cat", "[prompts] a cat -> a list of at least one prompt"},
    {kStart + "prompts: []", "[prompts] an empty list -> a list of at least one prompt"},
    {kStart + "prompts: [null]", "[prompts.0] null -> a prompt or a map with one"},
    {kStart + "prompts: [[a]]", "[prompts.0] a list -> a prompt or a map with one"},
    {kStart + "prompts: [{seed: 1}]", "[prompts.0] no prompt -> each row has a prompt"},
    {kStart + "prompts: [a, {promt: x}]", "[prompts.1.promt] unknown key -> did you mean prompt?"},
    {kStart + "prompts: [{prompt: x, num_images_per_prompt: 2}]",
     "[prompts.0.num_images_per_prompt] 2 -> the same for all rows -> write it under sampling"},
    {kStart + "prompts: [{prompt: x, num_inference_steps: 3}]\nsampling: {sigmas: [1.0]}",
     "[prompts.0.num_inference_steps] 3 -> 1, as there are 1 sigmas"},
    {kStart + "dataset: p.txt",
     "[dataset] p.txt -> keys with values, such as {path: prompts.jsonl}"},
    {kStart + "dataset: {rows: 0-9}", "[dataset.path] not given -> needed"},
    {kStart + "dataset: {path: p.tsv}", "[dataset.path] p.tsv -> a file that ends in .txt"},
    {kStart + "dataset: {path: p.txt, rows: 9-0}", "[dataset.rows] 9-0 -> row numbers from zero"},
    {kStart + "dataset: {path: p.txt, rows: all}", "[dataset.rows] all -> row numbers from zero"},
};

TEST(BadJob, RowsAndModels) {
  for (const Bad& bad : kRowsAndModels) {
    Refusal refusal = refuse(bad.lines + "\n");
    EXPECT_EQ(refusal.exit, Exit::kBadJob) << bad.lines;
    EXPECT_NE(refusal.text.find(bad.message), std::string::npos)
        << bad.lines << "\nis refused with\n"
        << refusal.text;
  }
}

TEST(BadJob, AllMistakesAtOnceInTheOrderOfTheFile) {
  std::string text = refuse(
                         "version: 1\n"
                         "model: {path: org/name, dtyp: x}\n"
                         "prompts: [a cat, {prompt: b, seed: x}]\n"
                         "sampling: {height: tall, width: wide}\n"
                         "output: {format: gif}\n")
                         .text;
  size_t last = 0;
  for (const char* head : {"job.yaml:2:25: [model.dtyp]", "job.yaml:3:36: [prompts.1.seed]",
                           "job.yaml:4:20: [sampling.height]", "job.yaml:4:33: [sampling.width]",
                           "job.yaml:5:18: [output.format]"}) {
    size_t at = text.find(head);
    ASSERT_NE(at, std::string::npos) << head << "\n" << text;
    EXPECT_GE(at, last);
    last = at;
  }
}

TEST(BadJob, MistakesInheritedByRowsAreToldOnce) {
  std::string text = refuse(kStart +
                            "prompts: [{prompt: a}, {prompt: b}]\n"
                            "sampling: {sigmas: [1.0], num_inference_steps: 5}\n")
                         .text;
  EXPECT_EQ(text.find("prompts."), std::string::npos) << text;
}

TEST(BadJob, DeepNestingIsNoCrash) {
  EXPECT_EQ(refuse(std::string(100'000, '[')).exit, Exit::kBadJob);
  EXPECT_EQ(refuse(kGood + "sampling: {scheduler: {class: X, a: " + std::string(300, '[') +
                   std::string(300, ']') + "}}\n")
                .text,
            "no error");
}

TEST(BadJob, IsRefusedInMilliseconds) {
  std::string job = kStart + "prompts:\n";
  for (int i = 0; i < 1000; ++i) job += "  - {prompt: a photo of a cat, sed: 7}\n";
  auto start = std::chrono::steady_clock::now();
  Refusal refusal = refuse(job);
  auto spent = std::chrono::steady_clock::now() - start;
  EXPECT_NE(refusal.text.find("[prompts.999.sed]"), std::string::npos);
  // 20 ms on an idle machine; the bound leaves room for a busy one.
  EXPECT_LT(std::chrono::duration<double>(spent).count(), 1.0);
}

}  // namespace
}  // namespace trireme
