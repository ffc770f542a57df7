#include "src/weights/component_config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/src/weights/files.h"

namespace trireme {
namespace {

ComponentConfig config(const std::string& text) {
  return ComponentConfig(parse_python_json(text, "config.json"), "config.json");
}

TEST(ComponentConfig, GivesTypedValues) {
  const auto c = config(R"({"num_layers": 24, "eps": 1e-6, "bias": true, "act": "silu",
                            "dual": [0, 1], "shift": 3, "whole": 2.0})");
  EXPECT_EQ(c.get<int64_t>("num_layers"), 24);
  EXPECT_EQ(c.get<double>("eps"), 1e-6);
  EXPECT_TRUE(c.get<bool>("bias"));
  EXPECT_EQ(c.get<std::string>("act"), "silu");
  EXPECT_EQ(c.get<std::vector<int64_t>>("dual"), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(c.get<double>("shift"), 3.0);
  EXPECT_EQ(c.get<int64_t>("whole"), 2);
}

TEST(ComponentConfig, AMissingKeyIsNeverADefaultUnlessTheCallerSaysSo) {
  const auto c = config(R"({"qk_norm": null})");
  EXPECT_EQ(c.get_or<std::string>("qk_norm", "none"), "none");
  EXPECT_FALSE(c.find<int64_t>("num_layers").has_value());
  expect_error([&] { c.get<int64_t>("num_layers"); }, Exit::kBadData,
               {"[config] config.json", "\"num_layers\" is missing"});
  expect_error([&] { c.get<std::string>("qk_norm"); }, Exit::kBadData, {"\"qk_norm\" is null"});
}

TEST(ComponentConfig, AWrongTypeIsNamed) {
  const auto c = config(R"({"n": "24", "f": 1.5, "b": 1, "l": [1, "2"]})");
  expect_error([&] { c.get<int64_t>("n"); }, Exit::kBadData, {"\"n\" is \"24\"", "a whole number"});
  expect_error([&] { c.get<int64_t>("f"); }, Exit::kBadData, {"\"f\" is 1.5"});
  expect_error([&] { c.get<bool>("b"); }, Exit::kBadData, {"true or false"});
  expect_error([&] { c.get<std::vector<int64_t>>("l"); }, Exit::kBadData, {"each item"});
  expect_error([&] { c.get_or<int64_t>("n", 1); }, Exit::kBadData, {"\"n\""});
}

TEST(ComponentConfig, RefusesValuesThatTheMathsDoesNotKnow) {
  const auto c = config(R"({"norm_type": "ada_norm_single"})");
  EXPECT_NO_THROW(c.expect<std::string>("norm_type", "ada_norm_single"));
  expect_error([&] { c.expect<std::string>("norm_type", "layer_norm"); }, Exit::kBadData,
               {"\"norm_type\" is \"ada_norm_single\""});
}

TEST(ComponentConfig, KnowsItsClassInBothLibrariesSpelling) {
  EXPECT_EQ(config(R"({"_class_name": "AutoencoderKL"})").class_name(), "AutoencoderKL");
  EXPECT_EQ(config(R"({"architectures": ["T5EncoderModel"]})").class_name(), "T5EncoderModel");
  EXPECT_EQ(config("{}").class_name(), "");
}

TEST(ComponentConfig, NestedObjectsNameTheirPlace) {
  const auto inner = config(R"({"text": {"a": 1}})").get<ComponentConfig>("text");
  expect_error([&] { inner.get<int64_t>("b"); }, Exit::kBadData, {"config.json: text: \"b\""});
}

TEST(PythonJson, ReadsBareInfinities) {
  const auto c = config(R"({"lambda_min_clipped": -Infinity, "up": Infinity, "nan": [NaN],
                            "text": "-Infinity \" NaN"})");
  EXPECT_EQ(c.get<double>("lambda_min_clipped"), -INFINITY);
  EXPECT_EQ(c.get<double>("up"), INFINITY);
  EXPECT_TRUE(std::isnan(c.get<std::vector<double>>("nan")[0]));
  EXPECT_EQ(c.get<std::string>("text"), "-Infinity \" NaN");
}

TEST(PythonJson, SaysWhereTheMistakeIs) {
  expect_error([] { config("{\"a\": 1,\n \"b\": }"); }, Exit::kBadData, {"config.json", "line 2"});
  expect_error([] { config(""); }, Exit::kBadData, {"JSON is needed"});
  expect_error([] { config("[1]"); }, Exit::kBadData, {"a JSON object is needed"});
  expect_error([] { config(std::string(100000, '[')); }, Exit::kBadData, {"deep"});
}

using JsonFileTest = FilesTest;

TEST_F(JsonFileTest, MissingAndUnreadableFilesAreNamed) {
  expect_error([&] { ComponentConfig::read(folder_ / "config.json"); }, Exit::kMissingInput,
               {"config.json: no such file"});
  expect_error([&] { ComponentConfig::read(folder_); }, Exit::kBadData, {"a JSON file is needed"});
  expect_error([&] { ComponentConfig::read(put("empty.json", "")); }, Exit::kBadData,
               {"empty.json"});
  EXPECT_EQ(ComponentConfig::read(put("c.json", R"({"a": 1})")).get<int64_t>("a"), 1);
}

}  // namespace
}  // namespace trireme
