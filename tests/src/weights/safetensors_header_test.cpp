#include "src/weights/safetensors_header.h"

#include <gtest/gtest.h>

#include "tests/src/weights/files.h"

namespace trireme {
namespace {

SafetensorsHeader parse(const std::string& file) {
  const auto size = static_cast<int64_t>(file.size());
  const auto length = safetensors_header_length(std::string_view(file).substr(0, 8), size, "w.st");
  return parse_safetensors_header(std::string_view(file).substr(8, length), size, "w.st");
}

// Every message begins with the place; the header decides, the data are zeros.
void expect_refused(const std::string& header, size_t data, const std::string& because) {
  SCOPED_TRACE(header.substr(0, 200));
  expect_error([&] { parse(safetensors_file(header, data)); }, Exit::kBadData,
               {"[safetensors] w.st: ", because});
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

TEST(SafetensorsHeader, ListsTensorsInTheOrderOfTheirBytes) {
  const std::string json = R"({"b":{"dtype":"F32","shape":[2,3],"data_offsets":[2,26]},)"
                           R"("__metadata__":{"format":"pt"},)"
                           R"("a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}   )";
  const auto header = parse(safetensors_file(json, 26));
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.tensors[0].type, StoredType::kF8E4M3);
  EXPECT_EQ(header.tensors[1].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.tensors[1].elements(), 6);
  EXPECT_EQ(header.tensors[1].begin, static_cast<int64_t>(8 + json.size() + 2));
  EXPECT_EQ(header.metadata.at("format"), "pt");
}

TEST(SafetensorsHeader, AcceptsScalarsEmptyTensorsAndEmptyFiles) {
  EXPECT_EQ(parse(safetensors_file(one("F64", "[]", "[0,8]"), 8)).tensors[0].elements(), 1);
  EXPECT_EQ(parse(safetensors_file(one("F64", "[3,0]", "[0,0]"), 0)).tensors[0].elements(), 0);
  EXPECT_TRUE(parse(safetensors_file("{}", 0)).tensors.empty());
}

TEST(SafetensorsHeader, RefusesFilesThatAreTooShort) {
  expect_error([] { parse(""); }, Exit::kBadData, {"incomplete download (0 of 8 bytes)"});
  expect_error([] { parse("1234567"); }, Exit::kBadData, {"incomplete download (7 of 8 bytes)"});
  const auto whole = safetensors_file(one("F32", "[4]", "[0,16]"), 16);
  expect_error([&] { parse(whole.substr(0, 20)); }, Exit::kBadData,
               {"header is", "incomplete download (20 of"});
  expect_error(
      [&] { parse(whole.substr(0, whole.size() - 4)); }, Exit::kBadData,
      {"tensor \"w\"", "perhaps an incomplete download (" + std::to_string(whole.size() - 4) +
                           " of " + std::to_string(whole.size()) + " bytes)"});
}

TEST(SafetensorsHeader, RefusesHeadersAboveTheLimit) {
  std::string file(64, '\xff');
  expect_error([&] { parse(file); }, Exit::kBadData, {"at most 100000000"});
}

TEST(SafetensorsHeader, RefusesWhatIsNotOneObject) {
  expect_refused("", 0, "header is empty");
  expect_refused("[]", 0, "does not begin with {");
  expect_refused(" {}", 0, "does not begin with {");
  expect_refused("{} {}", 0, "not JSON at byte");
  expect_refused("{\"a\":", 0, "not JSON at byte");
  expect_refused(std::string("{}\0x", 4), 0, "is zero");
  expect_refused("{\"\xff\":{}}", 0, "not UTF-8");
  expect_refused("{\"a\":" + std::string(100000, '{'), 0, "not JSON");
  expect_refused("{\"a\":" + std::string(100000, '['), 0, "must be an object");
}

TEST(SafetensorsHeader, RefusesDoubledNames) {
  const std::string w = R"("w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  expect_refused("{" + w + "," + w + "}", 1, "tensor \"w\" occurs twice");
  expect_refused(R"({"__metadata__":{},"__metadata__":{}})", 0, "occurs twice");
  expect_refused(R"({"__metadata__":{"a":"1","a":"2"}})", 0, "names \"a\" twice");
  expect_refused(R"({"w":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
                 "has dtype twice");
}

TEST(SafetensorsHeader, RefusesTensorsWithoutTheirFields) {
  expect_refused(R"({"w":{"shape":[1],"data_offsets":[0,1]}})", 1, "has no dtype");
  expect_refused(R"({"w":{"dtype":"U8","data_offsets":[0,1]}})", 1, "has no shape");
  expect_refused(R"({"w":{"dtype":"U8","shape":[1]}})", 1, "has no data_offsets");
  expect_refused(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"scale":2}})", 1,
                 "the field \"scale\"");
}

TEST(SafetensorsHeader, RefusesValuesOfAnotherKind) {
  expect_refused(R"({"w":1})", 0, "\"w\" is a number");
  expect_refused(R"({"w":null})", 0, "\"w\" is null");
  expect_refused(R"({"w":{"dtype":7,"shape":[1],"data_offsets":[0,1]}})", 1,
                 "a number in \"dtype\"");
  expect_refused(R"({"w":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", 1,
                 "a number in \"shape\"");
  expect_refused(R"({"w":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1, "a list in");
  expect_refused(R"({"w":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})", 1, "a text in");
  expect_refused(R"({"w":{"dtype":"U8","shape":{},"data_offsets":[0,1]}})", 1, "an object in");
  expect_refused(R"({"__metadata__":{"a":1}})", 0, "__metadata__ holds a number under \"a\"");
  expect_refused(R"({"__metadata__":{"a":{}}})", 0, "__metadata__ holds an object");
  expect_refused(R"({"__metadata__":[]})", 0, "must be an object");
}

TEST(SafetensorsHeader, RefusesUnknownDtypes) {
  expect_refused(one("F4", "[1]", "[0,1]"), 1, "dtype \"F4\"");
  expect_refused(one("f32", "[1]", "[0,4]"), 4, "dtype \"f32\"");
}

TEST(SafetensorsHeader, RefusesShapesThatCannotBe) {
  expect_refused(one("U8", "[-1]", "[0,1]"), 1, "-1 in shape");
  expect_refused(one("U8", "[1.5]", "[0,1]"), 1, "1.5 in shape");
  expect_refused(one("U8", "[18446744073709551615]", "[0,1]"), 1, "18446744073709551615 in shape");
  expect_refused(one("U8", "[4294967296,4294967296]", "[0,0]"), 0, "size overflows");
  expect_refused(one("F32", "[4611686018427387904]", "[0,0]"), 0, "size overflows");
  expect_refused(one("U8", "[0,4294967296,4294967296]", "[0,0]"), 0, "size overflows");
  std::string ones = "[1";
  for (int i = 0; i < 64; ++i) ones += ",1";
  expect_refused(one("U8", ones + "]", "[0,1]"), 1, "65 dimensions");
}

TEST(SafetensorsHeader, RefusesOffsetsThatDoNotFit) {
  expect_refused(one("U8", "[1]", "[1,0]"), 1, "must not be above");
  expect_refused(one("U8", "[1]", "[0]"), 1, "has 1 data_offsets");
  expect_refused(one("U8", "[1]", "[0,1,2]"), 1, "has 3 data_offsets");
  expect_refused(one("F32", "[2]", "[0,4]"), 8, "its dtype and shape take 8 bytes");
  expect_refused(one("U8", "[2]", "[0,2]"), 1, "incomplete download");
  expect_refused(one("U8", "[0]", "[9223372036854775807,9223372036854775807]"), 1,
                 "the file has 1 bytes of data");
}

TEST(SafetensorsHeader, RefusesOverlapsHolesAndBytesThatBelongToNone) {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b + "}}";
  };
  EXPECT_EQ(parse(safetensors_file(two("[2,4]", "[0,2]"), 4)).tensors[0].name, "b");
  expect_refused(two("[0,2]", "[1,3]"), 3, "\"a\" and \"b\" overlap");
  expect_refused(two("[0,2]", "[0,2]"), 2, "overlap");
  expect_refused(two("[0,2]", "[3,5]"), 5, "1 bytes before tensor \"b\"");
  expect_refused(two("[1,3]", "[3,5]"), 5, "1 bytes before tensor \"a\"");
  expect_refused(two("[0,2]", "[2,4]"), 7, "3 bytes after the last tensor");
  expect_refused("{}", 1, "1 bytes after the last tensor");
}

TEST(SafetensorsHeader, RefusesPickles) {
  const std::string zip =
      std::string("PK\x03\x04", 4) + std::string("\0\0\x08\x08", 4) + "archive/";
  expect_error([&] { parse(zip); }, Exit::kBadData,
               {"a zip archive", "can run code", "save_pretrained", "safe_serialization=True"});
  expect_error([] { parse("\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."); }, Exit::kBadData,
               {"a pickle", "can run code"});
}

TEST(SafetensorsHeader, ShortensNamesInMessages) {
  expect_refused(R"({")" + std::string(5000, 'n') + R"(":1})", 0, std::string(97, 'n') + "...");
}

}  // namespace
}  // namespace trireme
