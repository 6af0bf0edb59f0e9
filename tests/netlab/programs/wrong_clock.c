// wrong_clock: a program that is started with this in LD_PRELOAD sees a wall clock that is FAIRLEAD_CLOCK_AHEAD seconds ahead (negative:
// behind). What measures durations is left alone. netlab/clock.py builds it.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static time_t ahead(void) {
  const char *seconds = getenv("FAIRLEAD_CLOCK_AHEAD");
  return seconds ? (time_t)atoll(seconds) : 0;
}

int clock_gettime(clockid_t id, struct timespec *at) {
  const int result = (int)syscall(SYS_clock_gettime, id, at);
  if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += ahead();
  return result;
}

time_t time(time_t *into) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (into) *into = now.tv_sec;
  return now.tv_sec;
}
