// MappedText: the bytes of a file of prompts, as the kernel pages them in: millions of rows take no
// memory of ours. Owns the mapping. What is no plain file (a pipe) is read whole.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace trireme {

class MappedText {
 public:
  MappedText() = default;
  // Errors as read_text().
  MappedText(const std::string& path, const std::string& place, const std::string& what);

  std::string_view text() const;
  // Pages that were read may go; they come again when they are looked at.
  void let_go() const;

 private:
  struct Bytes;
  std::shared_ptr<const Bytes> bytes_;
};

}  // namespace trireme
