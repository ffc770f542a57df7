// HubCache: the Hugging Face cache on this machine, read offline: what `hf download` or diffusers
// put there under org/name. It never asks the network and never writes. A repository that is not
// there is an Error that gives the command which fetches it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace trireme {

// org/name[@revision]; the revision is a branch, a tag or a commit.
struct HubName {
  std::string repository;
  std::string revision = "main";

  // "hf download org/name --revision v1", without the revision where it is main.
  std::string download_command() const;
};
// Nothing if the text cannot be such a name: "a/b/c", "./x/y", "x.safetensors".
std::optional<HubName> parse_hub_name(const std::string& text);

class HubCache {
 public:
  // HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub or
  // ~/.cache/huggingface/hub, the first that is set: the order of Hugging Face's own library.
  static HubCache from_environment();
  explicit HubCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // The folder of the snapshot. Error (kMissingInput) says where was looked and how to fetch it.
  std::filesystem::path snapshot(const HubName& name) const;
  // All snapshots: repositories by name, of each the main revision first, then by commit.
  std::vector<std::filesystem::path> snapshots() const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

}  // namespace trireme
