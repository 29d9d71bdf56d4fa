import NetworkTypes

/// A ``BlockLease`` as the book keeps it: 48 bytes, names as numbers.
struct LeaseRecord: Sendable {
    struct Flags: OptionSet, Sendable {
        var rawValue: UInt8
        static let predicted = Flags(rawValue: 1)
        static let fromReserved = Flags(rawValue: 2)
        static let stagedBeforeMark = Flags(rawValue: 4)
        static let force = Flags(rawValue: 8)
        static let fenced = Flags(rawValue: 16)
    }
    /// No further lease of the host.
    static let end = UInt32.max

    /// First identifier.
    var first: UInt32
    var application: UInt32
    var host: UInt32
    var reason: UInt32
    var epoch: UInt64
    var grantEpoch: UInt64
    /// The host's leases are a list; its links are first identifiers.
    var previous = LeaseRecord.end
    var next = LeaseRecord.end
    /// log2 of the identifiers.
    var order: UInt8
    var state: LeaseState
    var flags: Flags

    var end: UInt32 { first + 1 << UInt32(order) }
    var size: Int { 1 << Int(order) }
    var block: SNIBlock { SNIBlock(aligned: first, order: Int(order)) }

    subscript(flag: Flags) -> Bool {
        get { flags.contains(flag) }
        set { if newValue { flags.insert(flag) } else { flags.remove(flag) } }
    }
}

extension LeaseState {
    /// Peers' kernels carry it.
    var isCarried: Bool { self == .leased || self == .staged || self == .marked }
}

extension SNIBlock {
    /// The block of 2^order identifiers at `first`, which arithmetic keeps aligned.
    init(aligned first: UInt32, order: Int) {
        guard let block = SNIBlock(first: SessionNetworkID(unchecked: first), size: 1 << order) else {
            preconditionFailure("\(first) is not aligned to 2^\(order)")
        }
        self = block
    }

    /// The block of one identifier.
    init(unit sni: SessionNetworkID) { self.init(aligned: sni.rawValue, order: 0) }
}

/// Why blocks are being reclaimed. Few texts stand for many blocks; each is kept as long as a lease names it.
struct Reasons: Sendable {
    private var texts = Registry<String, Int>(blank: 0)
    /// The number of the empty text.
    static let none: UInt32 = .max

    subscript(number: UInt32) -> String { number == Self.none ? "" : texts.key(number) }

    mutating func retain(_ text: String) -> UInt32 {
        guard !text.isEmpty else { return Self.none }
        let number = texts.intern(text, 0)
        texts[number] += 1
        return number
    }

    mutating func release(_ number: UInt32) {
        guard number != Self.none else { return }
        texts[number] -= 1
        if texts[number] == 0 { texts.remove(number) }
    }
}
