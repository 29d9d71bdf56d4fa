import CNetlinkShim

/// Families of linux/netfilter.h (NFPROTO_*).
enum NFTFamily: UInt8, Sendable {
    case inet = 1
    case arp = 3
    case netdev = 5
}

/// Steps of a rule: a step that does not hold ends the rule without effect, so a rule reads as a conjunction.
///
/// Registers are four bytes each; keys of several fields are loaded into neighboring ones.
enum NFTStep: Hashable, Sendable {
    case load(NFTMeta, into: UInt32)
    /// Bytes of the network header.
    case network(offset: UInt32, length: UInt32, into: UInt32)
    /// Bytes of the transport header; does not hold on a later fragment.
    case transport(offset: UInt32, length: UInt32, into: UInt32)
    /// Tunnel id in network order; does not hold on a packet that came through no tunnel.
    case tunnelID(into: UInt32)
    case mask(UInt32, [UInt8])
    /// Writes up to 16 bytes into the IPv6 header; the register is lost.
    case write([UInt8], offset: UInt32, through: UInt32)
    case compare(UInt32, NFTComparison, [UInt8])
    /// The key that starts at the register is in the set.
    case member(UInt32, of: String)
    /// Counts the packet in the dynamic set's element of this key; does not hold when the set is full, or when the element
    /// has exceeded its rate.
    case update(UInt32, in: String)
    case count
    /// The packet is for this machine, whatever link-layer address it was sent to.
    case takeAsOwn
    /// Connection tracking makes no entry for the packet.
    case untrack
    case accept
    case drop
}

/// NFT_META_* of linux/netfilter/nf_tables.h.
enum NFTMeta: UInt32, Sendable {
    /// EtherType, network order.
    case linkProtocol = 1
    /// Input interface's name, 16 bytes, zero filled.
    case inputName = 6
    /// NFPROTO_IPV4 (2) or NFPROTO_IPV6 (10), one byte.
    case networkFamily = 15
    /// Number of the transport protocol behind all extension headers, one byte.
    case transportProtocol = 16
}

/// NFT_CMP_*.
enum NFTComparison: UInt32, Sendable {
    case equal = 0
    case notEqual = 1
    case atMost = 3
    case atLeast = 5
}

struct NFTRule: Hashable, Sendable {
    /// Stored with the rule and unique in its table; a counted drop is reported under it.
    var name: String
    var steps: [NFTStep]
}

struct NFTChain: Hashable, Sendable {
    var name: String
    /// NF_INET_*, NF_ARP_* or NF_NETDEV_* hook number.
    var hook: UInt32
    var priority: Int32
    var device: String?
    var policyDrops: Bool
    var rules: [NFTRule]
}

struct NFTField: Hashable, Sendable {
    /// nft's number of the data type: only listing tools look at it.
    var type: UInt32
    var length: UInt32

    static let interfaceName = NFTField(type: 41, length: 16)
    static let ipv4 = NFTField(type: 7, length: 4)
    static let ipv6 = NFTField(type: 8, length: 16)
    static let mark = NFTField(type: 19, length: 4)
}

struct NFTSet: Hashable, Sendable {
    var name: String
    var fields: [NFTField]
    var interval = false
    /// Filled by rules, with a counter or a limit per element.
    var dynamic: NFTDynamic?
}

/// Bounds of a set that rules fill.
struct NFTDynamic: Hashable, Sendable {
    var sizeMax: UInt32
    /// An element that no packet has touched for so long is removed.
    var timeout: Duration
    /// Packets per second and element; 0 counts them without a limit.
    var rateMax: UInt32 = 0
    /// Packets that may come at once.
    var burst: UInt32 = 0
}

struct NFTTable: Hashable, Sendable {
    var family: NFTFamily
    var name: String
    var sets: [NFTSet]
    var chains: [NFTChain]
}

extension NFTStep {
    /// Appends this step to the open rule; `sets` gives the ids of the sets of the same transaction.
    func encode(into batch: inout NFTBatch, sets: [String: UInt32]) {
        switch self {
        case .load(let meta, let target): unsafe outrider_nft_load_meta(&batch.raw, meta.rawValue, target)
        case .network(let offset, let length, let target):
            unsafe outrider_nft_load_payload(&batch.raw, 1, offset, length, target)
        case .transport(let offset, let length, let target):
            unsafe outrider_nft_load_payload(&batch.raw, 2, offset, length, target)
        case .tunnelID(let target): unsafe outrider_nft_load_tunnel_id(&batch.raw, target)
        case .mask(let target, let mask): unsafe outrider_nft_mask(&batch.raw, target, mask, UInt32(mask.count))
        case .write(let value, let offset, let target):
            unsafe outrider_nft_write_header(&batch.raw, offset, value, UInt32(value.count), target)
        case .compare(let source, let comparison, let value):
            unsafe outrider_nft_compare(&batch.raw, source, comparison.rawValue, value, UInt32(value.count))
        case .member(let source, let set): unsafe outrider_nft_lookup(&batch.raw, set, sets[set] ?? 0, source)
        case .update(let source, let set): unsafe outrider_nft_update(&batch.raw, set, sets[set] ?? 0, source)
        case .count: unsafe outrider_nft_count(&batch.raw)
        case .takeAsOwn: unsafe outrider_nft_set_host(&batch.raw)
        case .untrack: unsafe outrider_nft_untrack(&batch.raw)
        case .accept: unsafe outrider_nft_verdict(&batch.raw, 1)
        case .drop: unsafe outrider_nft_verdict(&batch.raw, 0)
        }
    }
}
