// A job as text again: for OUT/job.json, for telling one job from another, and for a picture that
// carries how to make it. Keys keep one order, so that the same job gives the same bytes.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "src/config/job.h"
#include "src/config/prompts.h"

namespace trireme {

// The normalised job: every default explicit, paths absolute. JSON is YAML, so this reads back.
nlohmann::ordered_json to_json(const Job& job);

// A sampling block by itself, without what is not given.
nlohmann::ordered_json to_json(const Sampling& sampling);

// A row as in a job file: its prompts, and of sampling what differs from the job's.
nlohmann::ordered_json to_json(const PromptRow& row, const Sampling& job);

const char* to_string(Quantize kind);  // "int8"

// A layout as in a job file: "auto", "balanced" or a map.
nlohmann::ordered_json to_json(const LayoutChoice& layout);

// A job that makes this one sample again: model, sampling and one prompt, with paths as the user
// wrote them, so that the text depends on nothing but the job.
nlohmann::ordered_json sample_to_json(const Job& job, const Sample& sample);

// A job that makes all pictures of this one row, with the same paths: what a file of embeddings
// tells the job that goes on from it.
nlohmann::ordered_json row_to_json(const Job& job, const PromptRow& row);

// xxh3-128, in hex, of all that determines the pictures: model, sampling, rows (their fingerprint),
// stages and how they are written; not layout, threads, device or where the output goes.
std::string fingerprint(const Job& job, const std::string& rows);
// The same of a normalised job, as OUT/job.json holds it. Throws nlohmann::json::exception for what
// is none.
std::string fingerprint_of(const nlohmann::ordered_json& job, const std::string& rows);

}  // namespace trireme
