// Inquiry: which rank it is that hangs. Ranks answer questions whenever they wait, and between
// their operations. A rank whose wait passes its deadline asks the rank that it waits for what that
// one waits for, and so on, until one does not answer; and a rank may watch over another one, which
// must answer within the deadline. Over a communicator of its own; its messages are not counted.
#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace trireme {

class Inquiry {
 public:
  // Collective over MPI_COMM_WORLD. `deadline`: within which a rank that is watched over answers.
  explicit Inquiry(std::chrono::milliseconds deadline);
  ~Inquiry();
  Inquiry(const Inquiry&) = delete;
  Inquiry& operator=(const Inquiry&) = delete;

  // Answers whoever has asked: that this rank waits for that one (of the world; -1: for no one in
  // particular), and what it is at. To be called often.
  void answer(int waits_for, const std::string& where);
  // From here on this rank watches over that one of the world; -1: over none any more.
  void watch_over(int rank);
  // What is wrong with the rank that is watched over, or what another rank found, or nothing. To be
  // called often.
  std::string complaint();
  // The likely cause of a wait for `rank` that passed its deadline, within about a second.
  std::string cause(int rank, const std::string& where);

 private:
  struct Comm;
  struct Answer {
    bool came = false;
    int waits_for = -1;
    std::string where;
  };
  Answer ask(int rank, int waits_for, const std::string& where);

  void reply(int question, int answer, int waits_for, const std::string& where);
  void hear_verdict();
  std::string tell_all(const std::string& verdict);
  std::string silence_of(int rank) const;
  void ask_watched(std::chrono::steady_clock::time_point now);

  std::unique_ptr<Comm> comm_;
  std::chrono::milliseconds deadline_;
  struct Watch;
  std::unique_ptr<Watch> watch_;
  std::string verdict_;  // of whoever found out first
};

}  // namespace trireme
