// stream.h: a reliable byte stream to one peer: a TCP connection, a UNIX socket, a TLS connection, or a simulated one.
//
// Belongs to one loop; every call is made there. At most one read and one write wait at a time. Destroying an open Stream closes
// it: orderly if both halves were shut, otherwise with a reset, so that the peer never takes half an answer for a whole one.
#pragma once
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "net/address.h"
#include "runtime/task.h"

namespace fairlead::net {

// A connection that belongs to no loop: accepted, or released by its Stream, so that it can be handed to the loop that will serve it (another
// thread, too). Network::adopt makes it a Stream. Dropping it closes the connection with a reset.
class Incoming {
 public:
  virtual ~Incoming() = default;
  virtual const SocketAddress& peer() const = 0;
  virtual const SocketAddress& local() const = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;

  // At least one byte, or 0 once the peer has shut its half (and at every later call). Code::reset when the peer broke off.
  virtual Task<Result<std::size_t>> read(MutableBytes into) = 0;
  // The same without waiting: nothing while nothing has come. For those who want a buffer only when there is something to put in it.
  virtual std::optional<Result<std::size_t>> try_read(MutableBytes into) = 0;
  // Returns when try_read() would tell something. The one coroutine that reads waits here.
  virtual Task<void> readable() = 0;
  // Returns once all of `bytes` is accepted for sending; waits while the peer does not read.
  virtual Task<Result<void>> write(Bytes bytes) = 0;
  // The same without waiting: how many of the first bytes were accepted, 0 while none can be. For those who must know what was
  // accepted also when the write is cancelled.
  virtual Result<std::size_t> try_write(Bytes bytes) = 0;
  // Returns when try_write() would accept something or tell why not. The one coroutine that writes waits here.
  virtual Task<void> writable() = 0;
  // Our half is done: the peer reads 0 after what was written. Reading goes on.
  virtual Result<void> shut() = 0;
  // What the stream carries has said that the peer is done (TLS's close_notify): nothing more is read, and destroying is orderly as if
  // the end had been read here.
  virtual void end_was_told() = 0;
  // Breaks off at once, dropping what is undelivered(): the peer sees a reset. The Stream is closed after this.
  virtual void reset() = 0;
  // Bytes (of TLS: of its records) that were written and wait in this host still; 0 also when they never will be delivered, because the
  // peer has broken off. For those who are to reset and must lose nothing.
  virtual std::size_t undelivered() const = 0;
  // Gives an open connection up for another loop to adopt; this is closed then. Nobody may wait in it. Null, and nothing happens, where
  // more than the kernel holds a part of the connection (TLS), or it is not whole any more.
  virtual std::unique_ptr<Incoming> release() { return nullptr; }

  virtual const SocketAddress& peer() const = 0;  // 0.0.0.0:0 for a UNIX socket
  virtual const SocketAddress& local() const = 0;
};

}  // namespace fairlead::net
