// attempt.h: one try of a request at one endpoint: the flow, the body on its way there, the answer on its way back.
//
// Runs as tasks of the connection's scope, so that the one who serves the connection can watch the client and the clock, and end it at
// any moment. Destroying an attempt that is not over aborts its flow (CANCELLED).
#pragma once
#include <memory>
#include <optional>

#include "link/peers.h"
#include "plugins/http/answer.h"
#include "plugins/http/payload.h"
#include "plugins/http/request_body.h"

namespace fairlead::http_plugin {

// What the one who tries decides about an answer.
class AnswerJudge {
 public:
  virtual ~AnswerJudge() = default;
  // A final answer that is not to be given to the client, for another try may do better.
  virtual bool is_to_be_tried_again(const http::Response& response) = 0;
  // The client gets this one.
  virtual void begin_answer(const http::Response& response) = 0;
};

class Attempt {
 public:
  enum class State : std::uint8_t {
    running,
    refused,      // nothing was answered: refusal()
    unwanted,     // there was an answer, which is to be tried again
    answered,     // the whole answer is with the client
    broken,       // the answer broke off after its head: refusal() tells why
    client_lost,  // the client does not take what it asked for
    upgraded,     // 101 is with the client; take_flow()
  };

  Attempt(link::Peers& peers, Client& client, RequestBody& body, Answer& answer, AnswerJudge& judge, Scope& work)
      : peers_(peers), client_(client), body_(body), answer_(answer), judge_(judge), work_(work) {}
  ~Attempt();
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Once. client.changed is woken when the state is no longer `running`. `request`: what `open.head` was made of.
  void start(link::Destination to, wire::FlowOpen open, const http::Request& request);
  State state() const { return state_; }
  const link::Refusal& refusal() const { return refusal_; }
  FlowId flow_id() const { return flow_id_; }
  std::unique_ptr<link::Flow> take_flow() { return std::move(flow_); }

 private:
  Task<void> run(link::Destination to, wire::FlowOpen open);
  Task<void> upload();
  Task<void> end_upload();
  void end_raw_half();
  Task<void> download();
  void over(State state);
  void refuse(link::Refusal why);
  void failed(const Error& error);

  link::Peers& peers_;
  Client& client_;
  RequestBody& body_;
  Answer& answer_;
  AnswerJudge& judge_;
  Scope& work_;
  bool wants_upgrade_ = false, upgrade_refused_ = false, upload_ended_ = false;
  bool has_body_ = false;
  http::BodyLength length_;
  State state_ = State::running;
  link::Refusal refusal_;
  FlowId flow_id_;
  std::unique_ptr<link::Flow> flow_;
  std::optional<RecordWriter> writer_;
  std::optional<RecordReader> reader_;
};

}  // namespace fairlead::http_plugin
