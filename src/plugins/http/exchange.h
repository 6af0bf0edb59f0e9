// exchange.h: one request from its head to the end of its answer: the rule, the tries, the answer, the access-log line.
//
// The head lies in client.desk (parsed there) and stays there until the exchange is over. Destroying an exchange that is not over ends
// all that it has begun; its line is written in any case.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "plugins/http/attempt.h"
#include "plugins/http/request_context.h"

namespace fairlead::http_plugin {

class Exchange final : AnswerJudge {
 public:
  // What becomes of the connection.
  enum class After : std::uint8_t {
    next,   // another request may come
    close,  // in order: what was said arrives
    reset,  // the answer broke off, and the client shall see that
    done,   // both halves are shut
  };

  // `policy`: of the port. `work` runs the tasks of tries.
  Exchange(Ingress& ingress, Client& client, const Origin& origin, const route::ListenerPolicy& policy, Scope& work);
  ~Exchange() override;
  Task<After> run();
  // Where the session lives that the last try went to; none: no try, or no session.
  std::optional<LoopIndex> home() const { return home_; }

 private:
  enum class Step : std::uint8_t { over, try_again, give_own };
  enum class Cut : std::uint8_t { no, client_gone, bad_body, slow_body, deadline };

  Task<void> serve();
  // Picks an endpoint. try_again: there is one. give_own: there is none.
  Task<Step> find_endpoint(std::optional<route::Pick>& pick);
  Task<Step> try_at(route::Pick& pick);
  // Until the attempt is over, or why it has to end.
  Task<Cut> watch(const Attempt& attempt);
  Cut look_around();
  void look_ahead();
  Step conclude(Attempt& attempt, Cut cut, route::Pick& pick);
  Step after_failure(link::Refusal why, const route::Pick& pick);
  bool may_try_again(link::Delivered delivered) const;
  Duration backoff() const;
  Task<void> pause(Duration d);
  // The protocol has changed: bytes both ways until both halves are over.
  Task<void> carry_raw(Attempt& attempt);

  wire::FlowOpen make_open(const route::Pick& pick);
  void send_mirrors();
  Duration time_left(TimePoint deadline) const;

  // AnswerJudge
  bool is_to_be_tried_again(const http::Response& response) override;
  void begin_answer(const http::Response& response) override;

  Task<void> give_own();
  void answer_from_rule();
  After after();
  void count();

  Ingress& ingress_;
  Client& client_;
  const route::ListenerPolicy& policy_;
  Scope& work_;
  Desk& desk_;
  const http::RequestHead& head_;
  const WallTime begun_;
  const TimePoint start_;
  RequestContext context_;
  Answer answer_;
  std::optional<RequestBody> body_;
  OwnAnswer own_;
  TimePoint deadline_ = TimePoint::max();  // of the whole exchange

  // Of the try that runs, or was the last one.
  route::Endpoint endpoint_;
  const route::HttpShare* share_ = nullptr;
  const http::Request* sent_ = nullptr;
  std::string node_, backend_, target_, persistence_;
  std::optional<LoopIndex> home_;
  FlowId flow_;
  unsigned tries_ = 0;
  Duration backoff_{};
  bool same_again_ = false;  // an endpoint that has failed may be tried again

  std::string_view outcome_ = "OK";
  std::string message_;
  std::string upgrade_;
  std::uint64_t raw_in_ = 0, raw_out_ = 0;
  bool broken_ = false;
  bool client_lost_ = false;
  bool raw_done_ = false;
};

}  // namespace fairlead::http_plugin
