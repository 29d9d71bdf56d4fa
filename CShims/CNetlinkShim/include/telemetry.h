#pragma once
// Dumps of counters, read row by row into the caller's array: nothing is allocated and no message is copied.
#include <stddef.h>
#include <stdint.h>

#include "nl_links.h"
#include "nl_routing.h"

/// Progress of one dump.
struct outrider_dump {
    /// Sequence number of the request; other messages are passed over.
    uint32_t sequence;
    /// Set when the kernel said that the dump is inconsistent (NLM_F_DUMP_INTR).
    uint32_t interrupted;
    size_t count;
};

/// Sends one message (of at most 4096 bytes) under another sequence number; the caller's bytes stay as they are.
int outrider_nl_send_stamped(int fd, const void *message, size_t length, uint32_t sequence);

/// One element of a flow set: its key and what it has counted.
struct outrider_flow {
    uint8_t key[32];
    uint32_t key_length;
    uint64_t packets, bytes;
};

// Each reads the messages of one datagram and adds rows behind `dump->count`. Returns 0 when more is to come, 1 at the
// end of the dump, -ENOSPC when `capacity` is too small, the kernel's negative errno, or -EBADMSG.
int outrider_dump_stats(
    const void *datagram, size_t length, struct outrider_link_counters *rows, size_t capacity, struct outrider_dump *dump);
int outrider_dump_vnis(
    const void *datagram, size_t length, struct outrider_vni *rows, size_t capacity, struct outrider_dump *dump);
int outrider_dump_flows(
    const void *datagram, size_t length, struct outrider_flow *rows, size_t capacity, struct outrider_dump *dump);

/// TASKSTATS_CMD_GET for a whole process (linux/taskstats.h). Returns the length of the message.
int outrider_taskstats_get(void *buffer, size_t capacity, uint16_t family, uint32_t sequence, uint32_t process);

/// Answer to it. The kernel's struct grows with its version; whatever is shorter or longer than ours is read as far as
/// both go.
struct outrider_taskstats {
    uint32_t sequence, process;
    /// Positive errno, 0 when the rest is valid.
    int32_t error;
    uint16_t version;
    /// Bytes of the kernel's struct.
    uint32_t length;
    /// CPU time of all threads, also those that ended.
    uint64_t cpu_ns;
};
/// Returns 0, or -EBADMSG when the message is not such an answer or is too short to hold CPU time.
int outrider_taskstats_parse(const void *message, size_t length, struct outrider_taskstats *stats);
