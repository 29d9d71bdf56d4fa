#pragma once
// nf_tables in plain integers: one transaction is written into the caller's buffer, dumps are read row by row. Built by
// hand over libmnl, because libnftnl of Debian 12 knows no `tunnel` expression that its own `nft` prints back rightly.
// Numbers and layouts: linux/netfilter/nf_tables.h. Values of registers and keys travel in network order, except where
// a comment says otherwise.
#include <stddef.h>
#include <stdint.h>

/// A transaction being written. Zero it, set `data` and `capacity`, then call the functions below in order; `error` is
/// sticky (negative errno), so only the end has to be checked.
struct outrider_nft_batch {
    uint8_t *data;
    size_t capacity, used;
    /// Sequence number of the last message; set the first one's predecessor.
    uint32_t sequence;
    int error;
    /// Offset of the open message and of its open list.
    size_t message, list;
};

/// The bytes that one message of ours can take at most.
#define OUTRIDER_NFT_MESSAGE_MAX 4096

void outrider_nft_begin(struct outrider_nft_batch *batch);
/// Asks for the acknowledgement of the last message and closes the transaction: nothing counts without it. Acknowledging
/// only one keeps the receive buffer from overflowing; errors come unasked.
void outrider_nft_end(struct outrider_nft_batch *batch);

/// `comment` is stored with the table, as `nft` does.
void outrider_nft_add_table(struct outrider_nft_batch *batch, uint8_t family, const char *table, const char *comment);
void outrider_nft_delete_table(struct outrider_nft_batch *batch, uint8_t family, const char *table);

/// One field per part of the key; `types` are nft's own numbers of data types, only for listings.
struct outrider_nft_field {
    uint32_t type, length;
};
void outrider_nft_add_set(
    struct outrider_nft_batch *batch, uint8_t family, const char *table, const char *set, uint32_t id, int interval,
    const struct outrider_nft_field *fields, size_t count);

/// A base chain of type filter. `device` is NULL except in family netdev. Policy 0 drops, 1 accepts.
void outrider_nft_add_chain(
    struct outrider_nft_batch *batch, uint8_t family, const char *table, const char *chain, uint32_t hook,
    int32_t priority, const char *device, uint32_t policy);
/// Deletes the chain and its rules.
void outrider_nft_delete_chain(struct outrider_nft_batch *batch, uint8_t family, const char *table, const char *chain);

void outrider_nft_begin_rule(
    struct outrider_nft_batch *batch, uint8_t family, const char *table, const char *chain, const char *comment);
void outrider_nft_end_rule(struct outrider_nft_batch *batch);

// Expressions of the open rule. Registers are of four bytes each, numbered 8 ... 23 (NFT_REG32_00 ...).
/// Loads packet metadata (NFT_META_*): names are 16 bytes, zero filled; interface indexes are in host order.
void outrider_nft_load_meta(struct outrider_nft_batch *batch, uint32_t key, uint32_t target);
/// Loads bytes of a header (NFT_PAYLOAD_NETWORK_HEADER 1, NFT_PAYLOAD_TRANSPORT_HEADER 2).
void outrider_nft_load_payload(
    struct outrider_nft_batch *batch, uint32_t base, uint32_t offset, uint32_t length, uint32_t target);
/// Loads the tunnel id in network order; the rule ends without a match on packets that came through no tunnel.
void outrider_nft_load_tunnel_id(struct outrider_nft_batch *batch, uint32_t target);
/// Masks a register in place.
/// Writes up to 16 bytes into the network header, and corrects the checksum of the transport header for it; `target` is a
/// register that it may use.
void outrider_nft_write_header(
    struct outrider_nft_batch *batch, uint32_t offset, const uint8_t *value, uint32_t length, uint32_t target);
void outrider_nft_mask(struct outrider_nft_batch *batch, uint32_t target, const uint8_t *mask, uint32_t length);
/// Compares (NFT_CMP_*): the rule ends unless it holds.
void outrider_nft_compare(
    struct outrider_nft_batch *batch, uint32_t source, uint32_t operation, const uint8_t *value, uint32_t length);
/// The rule ends unless the key that starts at `source` is in the set. `id` is nonzero for a set of this transaction.
void outrider_nft_lookup(struct outrider_nft_batch *batch, const char *set, uint32_t id, uint32_t source);
void outrider_nft_count(struct outrider_nft_batch *batch);
/// The packet counts as sent to this machine, whatever link-layer destination it has (NFT_META_PKTTYPE, PACKET_HOST).
void outrider_nft_set_host(struct outrider_nft_batch *batch);
/// Connection tracking leaves the packet alone.
void outrider_nft_untrack(struct outrider_nft_batch *batch);
/// 0 drops, 1 accepts.
void outrider_nft_verdict(struct outrider_nft_batch *batch, uint32_t code);

/// One element in a message of its own, so that an error names exactly it. `end` is NULL except in interval sets, where
/// it is inclusive. `exclusive`: fails with -EEXIST when the set has it already.
void outrider_nft_add_element(
    struct outrider_nft_batch *batch, uint8_t family, const char *table, const char *set, const uint8_t *key,
    const uint8_t *end, uint32_t length, int exclusive);
void outrider_nft_delete_element(
    struct outrider_nft_batch *batch, uint8_t family, const char *table, const char *set, const uint8_t *key,
    const uint8_t *end, uint32_t length);

/// What to dump.
enum outrider_nft_kind { OUTRIDER_NFT_TABLES, OUTRIDER_NFT_CHAINS, OUTRIDER_NFT_RULES, OUTRIDER_NFT_ELEMENTS };
/// A dump request into `buffer` (OUTRIDER_NFT_MESSAGE_MAX is enough); `table` and `set` may be NULL where the kind allows
/// it. Returns its length or a negative errno.
int outrider_nft_dump_request(
    void *buffer, size_t capacity, enum outrider_nft_kind kind, uint8_t family, const char *table, const char *set);

/// A row of a dump of tables, chains or rules. Texts are empty when absent.
struct outrider_nft_row {
    uint8_t family;
    /// Policy, hook and priority of a base chain; `has_hook` 0 for others.
    uint8_t has_hook, has_counter;
    uint32_t hook, policy;
    int32_t priority;
    uint64_t packets, bytes;
    char table[64], chain[64], device[32], comment[128];
};
int outrider_nft_parse_row(const void *message, size_t length, enum outrider_nft_kind kind, struct outrider_nft_row *row);

struct outrider_nft_element {
    uint8_t key[64], end[64];
    uint32_t key_length, end_length;
};
/// The next element of a row of a dump of elements: 1 when there is one, 0 past the last, negative errno when the
/// message is broken. `cursor` starts at 0 and is the function's own.
int outrider_nft_next_element(const void *message, size_t length, size_t *cursor, struct outrider_nft_element *element);
