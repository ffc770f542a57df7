#include "src/config/source.h"
