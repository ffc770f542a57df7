// Files that tell of a run while it goes on: nothing depends on them, so no failure to write one
// ends the run, and none is synced. The first failure is told, once.
//
// LiveFile is replaced as a whole by rename, so that a reader sees an old text or a new one.
// AppendedFile grows by whole lines, each of them one write(2) with O_APPEND; one that was cut by a
// kill or a full disk is closed by a line feed before the next is written, so that it spoils no
// other. Not for several threads at once.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace trireme {

using TellFailure = std::function<void(const std::string& line)>;

class LiveFile {
 public:
  // Makes the folder, and removes what killed processes left beside the file.
  LiveFile(std::filesystem::path path, TellFailure tell);
  ~LiveFile();
  LiveFile(const LiveFile&) = delete;
  LiveFile& operator=(const LiveFile&) = delete;

  void replace(std::string_view text);

 private:
  void fail(std::string_view action, int error);

  std::filesystem::path path_;
  std::filesystem::path hidden_;  // of this process
  TellFailure tell_;
};

class AppendedFile {
 public:
  enum class Open { kGoesOn, kBeginsAnew };

  // Makes the folder.
  AppendedFile(std::filesystem::path path, Open open, TellFailure tell);
  ~AppendedFile();
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;

  void line(std::string_view text);  // without its end

 private:
  bool ends_in_a_line() const;
  void fail(std::string_view action, int error);

  std::filesystem::path path_;
  TellFailure tell_;
  int descriptor_ = -1;  // -1: it could not be opened
  bool cut_ = false;     // the file does not end with a whole line
};

}  // namespace trireme
