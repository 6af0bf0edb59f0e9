#include "observe/trace.h"

#include <gtest/gtest.h>

namespace fairlead::observe {
namespace {

constexpr std::string_view kValid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContext, RoundTrips) {
  const auto context = TraceContext::parse(kValid);
  ASSERT_TRUE(context);
  EXPECT_TRUE(context->sampled());
  EXPECT_EQ(context->to_text(), kValid);
  EXPECT_EQ(context->trace_text(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(TraceContext::from_ids(context->trace(), context->span(), context->flags()), context);
}

TEST(TraceContext, WhatIsNotValidIsNone) {
  for (std::string_view text : {
           "",
           "00",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",     // short
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",   // long
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",  // version 00 has nothing more
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",    // upper case
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",    // no trace
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",    // no span
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",    // forbidden version
           "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
           "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
       })
    EXPECT_FALSE(TraceContext::parse(text)) << text;
}

TEST(TraceContext, ALaterVersionIsReadAsFarAsItIsKnown) {
  const auto context = TraceContext::parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-more");
  ASSERT_TRUE(context);
  EXPECT_EQ(context->to_text(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03") << "unknown flags are not passed on";
}

TEST(TraceContext, AChildIsAnotherSpanOfTheSameTrace) {
  Random random(1);
  const TraceContext parent = TraceContext::begin(random, false);
  EXPECT_FALSE(parent.sampled());
  EXPECT_TRUE(TraceContext::parse(parent.to_text()));
  const TraceContext child = parent.child(random);
  EXPECT_EQ(child.trace(), parent.trace());
  EXPECT_NE(child.span(), parent.span());
  EXPECT_EQ(child.flags(), parent.flags());
  EXPECT_NE(TraceContext::begin(random, true).trace(), parent.trace());
}

}  // namespace
}  // namespace fairlead::observe
