// request_half.h: the opener's half of an HTTP flow, as tries of one request share it: what one try has read, another cannot read again.
#pragma once
#include "plugins/http/payload.h"

namespace fairlead::http_plugin {

struct RequestHalf {
  explicit RequestHalf(link::Flow& f) : flow(f), reader(f) {}
  link::Flow& flow;
  RecordReader reader;
  bool content_used = false;  // some of it went to a service
  bool ended = false;         // END was read
};

}  // namespace fairlead::http_plugin
