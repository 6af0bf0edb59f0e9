#include "net/udp_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace fairlead::net {

namespace {

template <class T>
T read_control(const cmsghdr& header) {
  T value{};
  std::memcpy(&value, CMSG_DATA(&header), sizeof value);
  return value;
}

// Ancillary data of one sendmsg, in the order of the calls.
class ControlWriter {
 public:
  template <class T>
  void add(int level, int type, const T& value) {
    auto* header = reinterpret_cast<cmsghdr*>(space_ + used_);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(header), &value, sizeof value);
    used_ += CMSG_SPACE(sizeof value);
  }
  void attach(msghdr& message) {
    message.msg_control = used_ > 0 ? space_ : nullptr;
    message.msg_controllen = used_;
  }

 private:
  alignas(cmsghdr) char space_[CMSG_SPACE(sizeof(std::uint16_t)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo))]{};
  std::size_t used_ = 0;
};

IpAddress v4_of(const in_addr& address) { return IpAddress::v4(ntohl(address.s_addr)); }
IpAddress v6_of(const in6_addr& address) {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &address, bytes.size());
  return IpAddress::v6(bytes);
}

// What the kernel tells beside a message: where it was sent to, its mark, and the size of the datagrams merged in it.
struct Control {
  IpAddress to;
  Ecn ecn = Ecn::not_ect;
  std::size_t segment = 0;
};
Control read_control(msghdr& message, const IpAddress& bound) {
  Control control;
  control.to = bound;
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level == SOL_UDP && h->cmsg_type == UDP_GRO) {
      control.segment = static_cast<std::size_t>(read_control<int>(*h));
    } else if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_TOS) {
      control.ecn = static_cast<Ecn>(read_control<std::uint8_t>(*h) & 3);
    } else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_TCLASS) {
      control.ecn = static_cast<Ecn>(read_control<int>(*h) & 3);
    } else if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
      control.to = v4_of(read_control<in_pktinfo>(*h).ipi_addr);
    } else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
      control.to = v6_of(read_control<in6_pktinfo>(*h).ipi6_addr);
    }
  }
  return control;
}

void set_udp_options(int fd, int family, const DatagramOptions& options) {
  const auto receive = static_cast<int>(options.receive_buffer);
  const auto send = static_cast<int>(options.send_buffer);
  // The forced ones need CAP_NET_ADMIN; the others stop at net.core.rmem_max and wmem_max.
  if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, receive)) set_option(fd, SOL_SOCKET, SO_RCVBUF, receive);
  if (!set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, send)) set_option(fd, SOL_SOCKET, SO_SNDBUF, send);
  if (options.reuse_port) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (options.offload) set_option(fd, IPPROTO_UDP, UDP_GRO, 1);
  // Don't fragment, and leave it to the sender to find the path's MTU (RFC 8899): ICMP is not believed. Or fragment whatever is too large.
  set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, options.fragment ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE);
  set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
  if (family == AF_INET6) {
    set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, options.fragment ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_PROBE);
    set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);  // of mapped IPv4 datagrams too
  } else {
    set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
  }
}

std::size_t given_receive_buffer(int fd) {
  int size = 0;
  socklen_t length = sizeof size;
  ::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length);
  return static_cast<std::size_t>(size) / 2;  // Linux doubles what it was asked for, for its own needs
}

// Whether the kernel has UDP_SEGMENT at all; whether a device can do it shows when sending.
bool has_segmentation(int fd) { return set_option(fd, IPPROTO_UDP, UDP_SEGMENT, 0); }

// What ICMP errors become (RFC 1122, 4.1.3.3): they say something of an earlier datagram and nothing of this call.
bool is_icmp(int err) { return err == ECONNREFUSED || err == EHOSTUNREACH || err == ENETUNREACH || err == ENOPROTOOPT || err == EPROTO; }

}  // namespace

Result<std::unique_ptr<DatagramSocket>> UdpSocket::bind(AsioLoop& loop, std::shared_ptr<ReceiveBuffers> buffers, const SocketAddress& at,
                                                        const DatagramOptions& options) {
  TRY_ASSIGN(BoundSocket socket, open_bound(at, SOCK_DGRAM, [&](int fd, int family) { set_udp_options(fd, family, options); }));
  if (!options.device.empty()) TRY(bind_to_device(socket.fd.get(), options.device));
  return std::make_unique<UdpSocket>(loop, std::move(buffers), std::move(socket), options.offload);
}

Result<std::unique_ptr<DatagramSocket>> UdpSocket::connect(AsioLoop& loop, std::shared_ptr<ReceiveBuffers> buffers, const SocketAddress& to,
                                                           const DatagramOptions& options) {
  const SocketAddress any{to.ip.is_v4() ? IpAddress() : IpAddress::v6({}), 0};
  TRY_ASSIGN(BoundSocket socket, open_bound(any, SOCK_DGRAM, [&](int fd, int family) { set_udp_options(fd, family, options); }));
  const NativeAddress native = native_address(to, socket.family);
  if (::connect(socket.fd.get(), native.get(), native.size) != 0) return fail(Error::from_errno(errno, fmt::format("reach {}", to)));
  socket.local = local_address(socket.fd.get());
  auto made = std::make_unique<UdpSocket>(loop, std::move(buffers), std::move(socket), options.offload);
  made->connected_ = to;
  return made;
}

UdpSocket::UdpSocket(AsioLoop& loop, std::shared_ptr<ReceiveBuffers> buffers, BoundSocket socket, bool offload)
    : loop_(loop),
      buffers_(std::move(buffers)),
      fd_(std::move(socket.fd)),
      family_(socket.family),
      events_(loop, fd_.get()),
      local_(socket.local),
      receive_buffer_(given_receive_buffer(fd_.get())),
      segments_(offload && has_segmentation(fd_.get())) {}

Task<void> UdpSocket::readable() {
  if (more_waits_)
    co_await loop_.yield();
  else
    co_await events_.readable();
}

std::optional<Error> UdpSocket::take_error() {
  const int err = std::exchange(icmp_error_, 0);
  if (err == 0) return std::nullopt;
  return Error::from_errno(err, fmt::format("datagram to {}", *connected_));
}

Task<void> UdpSocket::writable() { co_await events_.writable(); }

std::size_t UdpSocket::receive(std::size_t limit, FunctionRef<void(const Datagram&)> sink) {
  constexpr std::size_t kMessages = ReceiveBuffers::kMessages;
  struct alignas(cmsghdr) ControlSpace {
    char bytes[128];
  };
  std::array<mmsghdr, kMessages> messages{};
  std::array<NativeAddress, kMessages> from;
  std::array<iovec, kMessages> parts{};
  std::array<ControlSpace, kMessages> controls;
  std::size_t received = 0;
  more_waits_ = true;
  while (received < limit) {
    const std::size_t wanted = std::min(kMessages, limit - received);
    for (std::size_t i = 0; i < wanted; i++) {
      parts[i] = {buffers_->at(i), ReceiveBuffers::kSize};
      messages[i].msg_hdr = {.msg_name = from[i].get(),
                             .msg_namelen = sizeof(sockaddr_storage),
                             .msg_iov = &parts[i],
                             .msg_iovlen = 1,
                             .msg_control = controls[i].bytes,
                             .msg_controllen = sizeof controls[i].bytes,
                             .msg_flags = 0};
    }
    const int count = ::recvmmsg(fd_.get(), messages.data(), static_cast<unsigned>(wanted), 0, nullptr);
    if (count < 0) {
      if (errno == EAGAIN) more_waits_ = false;
      if (connected_ && is_icmp(errno)) icmp_error_ = errno;
      if (errno == EINTR || is_icmp(errno)) continue;
      break;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); i++) {
      from[i].size = messages[i].msg_hdr.msg_namelen;
      const Control control = read_control(messages[i].msg_hdr, local_.ip);
      const Bytes all(buffers_->at(i), messages[i].msg_len);
      const std::size_t segment = control.segment > 0 ? control.segment : std::max<std::size_t>(all.size(), 1);
      Datagram datagram{.from = address_of(from[i]), .to = {control.to, local_.port}, .ecn = control.ecn, .payload = {}};
      std::size_t at = 0;
      do {  // an empty datagram is one, too
        datagram.payload = all.subspan(at, std::min(segment, all.size() - at));
        sink(datagram);
        received++;
        at += segment;
      } while (at < all.size());
    }
    if (static_cast<std::size_t>(count) < wanted) {
      more_waits_ = false;
      break;
    }
  }
  return received;
}

int UdpSocket::send_message(const DatagramBatch& batch, Bytes data) {
  NativeAddress to = native_address(batch.to, family_);
  iovec part{const_cast<std::byte*>(data.data()), data.size()};
  msghdr message{};
  if (!connected_) {
    message.msg_name = to.get();
    message.msg_namelen = to.size;
  }
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ControlWriter control;
  if (data.size() > batch.segment) control.add(SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(batch.segment));
  const bool v4 = batch.to.ip.is_v4();
  if (batch.ecn != Ecn::not_ect) {
    if (v4)
      control.add(IPPROTO_IP, IP_TOS, static_cast<int>(batch.ecn));
    else
      control.add(IPPROTO_IPV6, IPV6_TCLASS, static_cast<int>(batch.ecn));
  }
  if (!batch.from.is_unspecified()) {
    if (v4) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, batch.from.data(), sizeof info.ipi_spec_dst);
      control.add(IPPROTO_IP, IP_PKTINFO, info);
    } else {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, batch.from.data(), sizeof info.ipi6_addr);
      control.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }
  control.attach(message);
  for (;;) {
    if (::sendmsg(fd_.get(), &message, MSG_NOSIGNAL) >= 0) return 0;
    if (connected_ && is_icmp(errno)) {
      // Either an earlier datagram's, which the kernel has told now and forgotten, or this one's: then the second call says it again.
      if (std::exchange(icmp_error_, errno) != 0) return errno;
      continue;
    }
    if (errno != EINTR && errno != ECONNREFUSED) return errno;
  }
}

namespace {

SendOutcome outcome_of(int err) {
  switch (err) {
    case 0: return SendOutcome::sent;
    case EAGAIN: return SendOutcome::would_block;
    case EMSGSIZE: return SendOutcome::too_large;
    default: return SendOutcome::failed;
  }
}

}  // namespace

SendOutcome UdpSocket::send(const DatagramBatch& batch) {
  if (batch.from.is_v4() != batch.to.ip.is_v4() && !batch.from.is_unspecified()) return SendOutcome::failed;
  if (batch.data.size() <= batch.segment) return outcome_of(send_message(batch, batch.data));
  if (!segments_) return send_one_by_one(batch);
  const int err = send_message(batch, batch.data);
  // EIO: the device (or an IPsec policy) cannot checksum for us. EINVAL: an old kernel, or a segment over the device's MTU, which
  // shows when the datagrams are sent by themselves.
  if (err != EIO && err != EINVAL && err != EMSGSIZE) return outcome_of(err);
  const SendOutcome outcome = send_one_by_one(batch);
  if (outcome == SendOutcome::sent) segments_ = false;
  return outcome;
}

// A queue that is full in the middle loses the rest, as any queue may: sending the first ones twice would be worse.
SendOutcome UdpSocket::send_one_by_one(const DatagramBatch& batch) {
  bool sent_one = false;
  for (std::size_t at = 0; at < batch.data.size(); at += batch.segment) {
    const Bytes one = batch.data.subspan(at, std::min(batch.segment, batch.data.size() - at));
    const SendOutcome outcome = outcome_of(send_message(batch, one));
    if (outcome != SendOutcome::sent) return sent_one ? SendOutcome::sent : outcome;
    sent_one = true;
  }
  return SendOutcome::sent;
}

}  // namespace fairlead::net
