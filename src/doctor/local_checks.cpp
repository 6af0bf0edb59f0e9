// What can be looked at without leaving the machine: the certificate, the sockets, the name.
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>

#include "doctor/checks.h"
#include "pki/names.h"
#include "runtime/timer.h"

namespace fairlead::doctor {
namespace {

// A running edge renews when a third of the lifetime is left; below this share it has not managed to for a while.
constexpr double kOverdue = 0.25;
constexpr Duration kAuthorityEndsSoon = 24h * 90;
// Smaller ones drop packets of a single fast flow: 1 MiB is 80 ms at 100 Mbit/s.
constexpr std::size_t kSmallBuffer = 1_MiB;
constexpr Duration kNamePatience = 15s;
constexpr Duration kSlowName = 2s;

double days(Duration d) { return std::chrono::duration<double>(d).count() / 86'400; }

std::string span_text(Duration d) {
  const double n = days(d);
  return n >= 2 ? fmt::format("{:.0f} days", n) : fmt::format("{:.1f} hours", n * 24);
}

}  // namespace

Effort Effort::thorough() {
  return {.echoes = 1500,
          .echo_step = 20ms,
          .silences = {5s, 10s, 15s, 20s, 30s, 45s, 60s, 75s, 90s, 105s, 120s},
          .transfer_bytes = 128_MiB,
          .transfer_time = 10s};
}

Finding check_certificate(const pki::Credentials& credentials, WallTime now) {
  Finding f{.check = "certificate"};
  const pki::Certificate* own = credentials.certificate();
  if (own == nullptr) {
    f.status = Status::problem;
    f.summary = "this edge has no certificate";
    f.advice = "join anew: fairlead edge --join, with a token";
    return f;
  }
  const auto node = pki::node_of(own->common_name(), own->organizations());
  const Duration left = std::chrono::duration_cast<Duration>(own->not_after() - now);
  const Duration whole = std::chrono::duration_cast<Duration>(own->not_after() - own->not_before());
  const std::vector<pki::Certificate> chain = credentials.chain();
  const bool ours = credentials.trust().verify(chain) == pki::TrustStore::Verdict::trusted;
  const auto ends = std::ranges::min(credentials.trust().authorities(), {}, &pki::Certificate::not_after).not_after();
  f.add("node", node ? node->value() : own->subject())
      .add("not_before", to_rfc3339(own->not_before()))
      .add("not_after", to_rfc3339(own->not_after()))
      .add("days_left", days(left))
      .add("serial", own->serial().to_text())
      .add("key", own->fingerprint().to_text())
      .add("issuer", own->issuer())
      .add("ca_not_after", to_rfc3339(ends))
      .add("issued_by_trusted_ca", ours);
  f.status = Status::ok;
  f.summary = fmt::format("of {}, good for {} more", node ? "node " + node->value() : own->subject(), span_text(left));
  if (!node) {
    f.status = Status::problem;
    f.summary = fmt::format("names no node: {}", own->subject());
    f.meaning = "The cloud lets in only certificates that it has issued to a node.";
    f.advice = "use the folder that `fairlead edge --join` or `fairlead cert issue` made";
  } else if (left <= 0ns) {
    f.status = Status::problem;
    f.summary = fmt::format("expired {} ago, at {}", span_text(-left), to_rfc3339(own->not_after()));
    f.meaning = "The cloud refuses this edge. If this machine's clock is wrong the certificate may be good.";
    f.advice =
        "see that the clock is right; then start the edge, which asks for a new one if the cloud allows it (join.renewGrace), or "
        "join anew with a token for this node";
  } else if (own->not_before() > now) {
    f.status = Status::problem;
    f.summary = fmt::format("not good before {}, and this machine's clock says {}", to_rfc3339(own->not_before()), to_rfc3339(now));
    f.meaning = "Most likely this machine's clock is behind.";
    f.advice = "set the clock (NTP)";
  } else if (!ours) {
    f.status = Status::problem;
    f.summary = "was not issued by a CA of this folder's ca.pem";
    f.meaning = "Files of two clouds are mixed: the cloud refuses this edge, or this edge the cloud.";
    f.advice = "restore the folder, or join anew";
  } else if (static_cast<double>(left.count()) < kOverdue * static_cast<double>(whole.count())) {
    f.status = Status::warning;
    f.meaning = "A connected edge renews its certificate when a third of its lifetime is left: this one has not managed to.";
    f.advice = "see that the edge runs and is connected, and what its log says of the renewal";
  } else if (ends - now < kAuthorityEndsSoon) {
    f.status = Status::warning;
    f.summary += fmt::format("; the CA's own ends at {}", to_rfc3339(ends));
    f.meaning = "When the CA's certificate has expired no node can connect any more.";
    f.advice = "replace the CA on the cloud: fairlead ca rotate";
  }
  return f;
}

namespace {

std::int64_t buffer_of(int fd, int which) {
  int size = 0;
  socklen_t length = sizeof size;
  if (::getsockopt(fd, SOL_SOCKET, which, &size, &length) != 0) return -1;
  return size / 2;  // Linux doubles what it was asked for, for its own needs
}

bool has_option(int fd, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  return ::getsockopt(fd, IPPROTO_UDP, name, &value, &length) == 0;
}

}  // namespace

Finding check_socket_buffers(net::Network& network) {
  Finding f{.check = "socket-buffers"};
  const net::DatagramOptions asked;
  auto socket = network.bind({net::IpAddress(), 0}, asked);
  if (!socket) {
    f.status = Status::problem;
    f.summary = fmt::format("no UDP socket can be had: {}", socket.error());
    f.meaning = "The link cannot work without one.";
    f.advice = "see what limits this process: descriptors (ulimit -n), seccomp, a sandbox";
    return f;
  }
  const int fd = (*socket)->native_handle();
  const auto receive = static_cast<std::int64_t>((*socket)->receive_buffer());
  f.add("receive_asked", static_cast<std::int64_t>(asked.receive_buffer)).add("receive_given", receive);
  f.add("send_asked", static_cast<std::int64_t>(asked.send_buffer));
  std::int64_t send = -1;
  bool gso = true, gro = true;
  if (fd >= 0) {
    send = buffer_of(fd, SO_SNDBUF);
    gso = has_option(fd, UDP_SEGMENT);
    gro = has_option(fd, UDP_GRO);
    f.add("send_given", send).add("gso", gso).add("gro", gro);
  }
  f.status = Status::ok;
  f.summary = fmt::format("receive {} KiB, send {}{}{}", receive / 1024, send >= 0 ? fmt::format("{} KiB", send / 1024) : "unknown",
                          gso ? "" : ", no segmentation offload", gro ? "" : ", no receive offload");
  const bool small_receive = receive < static_cast<std::int64_t>(kSmallBuffer);
  const bool small_send = send >= 0 && send < static_cast<std::int64_t>(kSmallBuffer) / 4;
  if (small_receive || small_send) {
    f.status = Status::warning;
    f.summary += fmt::format("; asked for {} KiB", asked.receive_buffer / 1024);
    f.meaning =
        "Bursts of a fast flow overflow a small buffer: packets are lost on this machine though the path is good. Below some "
        "50 Mbit/s it makes no difference.";
    f.advice = fmt::format("sysctl -w net.core.rmem_max={} net.core.wmem_max={}, or give the service CAP_NET_ADMIN", asked.receive_buffer,
                           asked.send_buffer);
  } else if (!gso || !gro) {
    f.status = Status::warning;
    f.meaning = "Without the kernel's UDP offloads (Linux 5.0 and later) the link costs about twice the CPU; nothing else.";
    f.advice = "a newer kernel, if CPU is short";
  }
  return f;
}

Task<Resolved> check_name(net::Network& network, std::string host) {
  Resolved out;
  Finding& f = out.finding;
  f.check = "name-resolution";
  f.add("name", host);
  const bool literal = net::IpAddress::parse(host).has_value();
  const TimePoint begun = network.loop().now();
  const std::string doing = "look up " + host;
  auto addresses = co_await with_deadline<std::vector<net::IpAddress>>(network.loop(), begun + kNamePatience, doing, network.resolve(host));
  const Duration took = network.loop().now() - begun;
  f.add("took_ms", milliseconds(took));
  if (!addresses) {
    f.status = Status::problem;
    f.summary = addresses.error().describe();
    f.meaning = "The edge does not know where the cloud is: it cannot connect.";
    f.advice = "see /etc/resolv.conf and `getent ahosts " + host +
               "` on this machine; or put the cloud's address into link.cloud, if its "
               "certificate names that";
    co_return out;
  }
  std::vector<std::string> texts;
  for (const net::IpAddress& each : *addresses) texts.push_back(each.to_text());
  f.add("addresses", texts);
  f.status = Status::ok;
  f.summary = literal ? fmt::format("{} is an address: nothing to look up", host)
                      : fmt::format("{} is {}, after {:.0f} ms", host, fmt::join(texts, ", "), milliseconds(took));
  if (took > kSlowName) {
    f.status = Status::warning;
    f.meaning = "Each time the edge dials it waits so long for the name: most likely the first DNS server of this machine does not answer.";
    f.advice = "remove name servers that do not answer from /etc/resolv.conf";
  }
  out.addresses = *std::move(addresses);
  co_return out;
}

}  // namespace fairlead::doctor
