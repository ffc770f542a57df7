// What writing and reading share of libpng's manners. For the sources of this folder alone.
#pragma once

#include <png.h>

#include <csetjmp>
#include <string>

namespace trireme {

constexpr int kPngChannels = 3;

// libpng reports an error by calling us, and we must not return to it. Exceptions may not cross
// its C frames, so the message is kept and control jumps back to the last png_guarded.
struct PngFailure {
  std::string message;
};

[[noreturn]] inline void on_png_error(png_structp png, png_const_charp message) {
  static_cast<PngFailure*>(png_get_error_ptr(png))->message = message;
  png_longjmp(png, 1);
}

inline void on_png_warning(png_structp, png_const_charp) {}

// Runs `body`, which may hold only trivial values: a jump out of it runs no destructors.
template <class Body>
bool png_guarded(png_structp png, Body body) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  body();
  return true;
}

}  // namespace trireme
