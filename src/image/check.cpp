#include "src/image/check.h"

#include "src/image/picture.h"

namespace trireme {

void check_picture(std::string_view bytes, const std::string& name) {
  decode_picture(bytes, name);
}

}  // namespace trireme
