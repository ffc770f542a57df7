// OUT/README.md: the dataset card that Hugging Face's hub and `datasets` read. Its YAML header says
// which files load_dataset(OUT) shall read, so that job.json, manifests and reports beside them do
// not confuse it. The same values give the same text. No licence is stated: that is for the owner
// of the pictures to choose. A folder of safetensors, for which `datasets` has no loader, gets a
// card that says how to read a file.
#pragma once

#include <cstdint>
#include <string>

namespace trireme {

struct DatasetFacts {
  std::int64_t samples = 0;       // of the whole job, whatever became of them
  bool webdataset = false;        // else a folder of files
  std::string extension = "png";  // of the samples: png, jpg, webp or safetensors
  bool metadata = true;           // a folder has metadata.jsonl, tars have .json members
  bool captions = false;          // tars have .txt members
  std::string model = {};         // as the user wrote it
};

std::string dataset_card(const DatasetFacts& facts);

}  // namespace trireme
