#include "tests/support/model_disk.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

namespace trireme {
namespace {

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

std::string text_of(const FileSystem::Path& path) {
  return path == "/" ? std::string() : path.native();
}

}  // namespace

void ModelDisk::fail(Fault fault) {
  fault_ = fault;
  calls_ = 0;
}

// A destructor must not throw: there the process dies without a word, and no call after it does
// anything.
void ModelDisk::die() {
  is_killed_ = true;
  if (std::uncaught_exceptions() == 0) throw Killed();
}

template <class Effect>
std::int64_t ModelDisk::call(const char* what, const std::string& path, bool makes_more,
                             Effect effect) {
  if (is_killed_) {
    if (std::string_view(what) != "close" && std::uncaught_exceptions() == 0) throw Killed();
    return -EIO;
  }
  const auto number = calls_++;
  if (fault_.kind == Fault::Kind::kFull && number >= fault_.at && makes_more) return -fault_.error;
  if (fault_.kind == Fault::Kind::kNone || number != fault_.at) return effect();
  last_call_ = std::string(what) + " " + path;
  switch (fault_.kind) {
    case Fault::Kind::kError:
      return -fault_.error;
    case Fault::Kind::kLateError:
      return std::min<std::int64_t>(effect(), -fault_.error);
    case Fault::Kind::kKill:
      if (std::string_view(what) == "close") {
        is_killed_ = true;
      } else {
        die();
      }
      return -EIO;
    default:
      return effect();
  }
}

ModelDisk::Bytes ModelDisk::bytes_of(std::string text) {
  const auto hash = std::hash<std::string>()(text);
  return std::make_shared<const Content>(Content{std::move(text), hash});
}

std::size_t ModelDisk::add_node(bool is_folder) {
  static const auto kEmpty = bytes_of({});
  nodes_.push_back({is_folder, kEmpty, kEmpty});
  return nodes_.size() - 1;
}

void ModelDisk::apply(const Change& change, Names& names) {
  if (!change.from.empty()) names.erase(change.from);
  if (!change.to.empty()) names[change.to] = change.node;
}

void ModelDisk::change(Change change) {
  apply(change, names_);
  const auto path = change.to.empty() ? change.from : change.to;
  changes_.push_back(std::move(change));
  if (watch_) watch_(*this, path);
}

bool ModelDisk::is_folder(const std::string& path) const {
  const auto found = names_.find(path);
  return path.empty() || (found != names_.end() && nodes_[found->second].is_folder);
}

std::int64_t ModelDisk::create(const Path& file) {
  const auto path = text_of(file);
  return call("create", path, true, [&]() -> std::int64_t {
    if (!is_folder(folder_of(path))) return -ENOENT;
    if (names_.contains(path)) return -EEXIST;
    const auto node = add_node(false);
    opened_.push_back({node, path});
    change({{}, path, node});
    return static_cast<std::int64_t>(opened_.size()) - 1;
  });
}

std::int64_t ModelDisk::open_to_read(const Path& file) {
  const auto path = text_of(file);
  return call("open", path, false, [&]() -> std::int64_t {
    const auto found = names_.find(path);
    if (found == names_.end()) return -ENOENT;
    opened_.push_back({found->second, path});
    return static_cast<std::int64_t>(opened_.size()) - 1;
  });
}

std::int64_t ModelDisk::close(std::int64_t descriptor) {
  if (is_killed_) return -EIO;
  return call("close", opened_[static_cast<std::size_t>(descriptor)].path, false,
              [] { return std::int64_t{0}; });
}

std::int64_t ModelDisk::write(std::int64_t descriptor, std::string_view bytes) {
  if (is_killed_) throw Killed();
  const auto opened = opened_[static_cast<std::size_t>(descriptor)];
  const bool torn = calls_ == fault_.at &&
                    (fault_.kind == Fault::Kind::kShort || fault_.kind == Fault::Kind::kTornKill);
  return call("write", opened.path, true, [&]() -> std::int64_t {
    if (torn) bytes = bytes.substr(0, (bytes.size() + 1) / 2);
    auto& seen = nodes_[opened.node].seen;
    seen = bytes_of(seen->text + std::string(bytes));
    if (watch_) watch_(*this, opened.path);
    if (torn && fault_.kind == Fault::Kind::kTornKill) die();
    return static_cast<std::int64_t>(bytes.size());
  });
}

std::int64_t ModelDisk::read(std::int64_t descriptor, std::span<char> bytes, std::int64_t at) {
  if (is_killed_) throw Killed();
  const auto& opened = opened_[static_cast<std::size_t>(descriptor)];
  return call("read", opened.path, false, [&]() -> std::int64_t {
    const auto& seen = nodes_[opened.node].seen->text;
    const auto begin = std::min(static_cast<std::size_t>(at), seen.size());
    return static_cast<std::int64_t>(seen.copy(bytes.data(), bytes.size(), begin));
  });
}

std::int64_t ModelDisk::sync(std::int64_t descriptor) {
  if (is_killed_) throw Killed();
  const auto& opened = opened_[static_cast<std::size_t>(descriptor)];
  return call("sync", opened.path, true, [&] {
    auto& node = nodes_[opened.node];
    node.durable = node.seen;
    return std::int64_t{0};
  });
}

std::int64_t ModelDisk::link(const Path& from, const Path& to) {
  const auto path = text_of(to);
  return call("link", path, true, [&]() -> std::int64_t {
    const auto found = names_.find(text_of(from));
    if (found == names_.end() || !is_folder(folder_of(path))) return -ENOENT;
    if (names_.contains(path)) return -EEXIST;
    if (!has_links_) return -EPERM;
    change({{}, path, found->second});
    return 0;
  });
}

std::int64_t ModelDisk::rename(const Path& from, const Path& to) {
  const auto path = text_of(to);
  return call("rename", path, true, [&]() -> std::int64_t {
    const auto found = names_.find(text_of(from));
    if (found == names_.end() || !is_folder(folder_of(path))) return -ENOENT;
    change({text_of(from), path, found->second});
    return 0;
  });
}

std::int64_t ModelDisk::remove(const Path& file) {
  const auto path = text_of(file);
  return call("remove", path, false, [&]() -> std::int64_t {
    const auto found = names_.find(path);
    if (found == names_.end()) return -ENOENT;
    if (nodes_[found->second].is_folder) return -EISDIR;
    change({path, {}, found->second});
    return 0;
  });
}

std::int64_t ModelDisk::make_folder(const Path& folder) {
  const auto path = text_of(folder);
  return call("mkdir", path, true, [&]() -> std::int64_t {
    if (!is_folder(folder_of(path))) return -ENOENT;
    if (names_.contains(path)) return -EEXIST;
    change({{}, path, add_node(true)});
    return 0;
  });
}

std::int64_t ModelDisk::remove_folder(const Path& folder) {
  const auto path = text_of(folder);
  return call("rmdir", path, false, [&]() -> std::int64_t {
    const auto found = names_.find(path);
    if (found == names_.end()) return -ENOENT;
    const auto below = names_.upper_bound(path + "/");
    if (below != names_.end() && below->first.starts_with(path + "/")) return -ENOTEMPTY;
    change({path, {}, found->second});
    return 0;
  });
}

std::int64_t ModelDisk::sync_folder(const Path& folder) {
  const auto path = text_of(folder);
  return call("sync", path, true, [&]() -> std::int64_t {
    if (!is_folder(path)) return -ENOENT;
    std::erase_if(changes_, [&](const Change& change) {
      const bool here = folder_of(change.to.empty() ? change.from : change.to) == path;
      if (here) apply(change, durable_names_);
      return here;
    });
    return 0;
  });
}

// Bytes tell the time of change, so that it does not depend on what else happened.
FileStatus ModelDisk::status(const Path& file) {
  const auto path = text_of(file);
  FileStatus status;
  status.error = call("status", path, false, [&]() -> std::int64_t {
    const auto found = names_.find(path);
    if (path.empty()) status.is_folder = true;
    if (found == names_.end()) return path.empty() ? 0 : -ENOENT;
    const auto& node = nodes_[found->second];
    status.is_folder = node.is_folder;
    status.bytes = static_cast<std::int64_t>(node.seen->text.size());
    status.changed = static_cast<std::int64_t>(node.seen->hash >> 1);
    return 0;
  });
  return status.error < 0 ? FileStatus{.error = status.error} : status;
}

FolderNames ModelDisk::list(const Path& folder) {
  const auto path = text_of(folder);
  FolderNames found;
  found.error = call("list", path, false, [&]() -> std::int64_t {
    if (!is_folder(path)) return -ENOENT;
    const auto begin = path + "/";
    for (auto at = names_.upper_bound(begin); at != names_.end() && at->first.starts_with(begin);
         ++at)
      if (at->first.find('/', begin.size()) == std::string::npos)
        found.names.push_back(at->first.substr(begin.size()));
    return 0;
  });
  if (found.error < 0) found.names.clear();
  return found;
}

}  // namespace trireme
