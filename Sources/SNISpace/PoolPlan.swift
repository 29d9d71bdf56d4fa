public import NetworkTypes

/// What an installation may use of the identifier space, cut into chunks in keyed order. Never changes.
public struct PoolPlan: Hashable, Sendable, Codable {
    /// log2 of the identifiers per chunk.
    public let chunkOrder: Int
    /// Ascending, disjoint.
    public let pool: [SNIRange]
    /// Ascending, disjoint.
    public let excluded: [SNIRange]
    public let key: ShuffleKey

    /// Chunks of 2^8 ... 2^16 identifiers: no lease is larger than the smallest, and a chunk's book stays small.
    public static let chunkOrders = 8...16

    /// Sorts and joins the ranges; excluded ones must not overlap each other. Chunk 0 is never handed out, whatever the
    /// pool says: the kernel refuses VNI 0, and
    /// VNI 1 belongs to the path echo.
    public init(chunkOrder: Int, pool: [SNIRange], excluded: [SNIRange], key: ShuffleKey) throws(BookError) {
        guard Self.chunkOrders.contains(chunkOrder) else {
            throw .invalid(field: "chunk-size", why: "must be a power of two from 256 to 65536")
        }
        self.chunkOrder = chunkOrder
        self.pool = Self.joined(pool)
        let sorted = excluded.sorted()
        for (range, next) in zip(sorted, sorted.dropFirst()) where range.overlaps(next) {
            throw .overlapping(range, next)
        }
        self.excluded = Self.joined(excluded)
        self.key = key
        guard capacity > 0 else {
            throw .invalid(field: "pool", why: "nothing is left of it outside chunk 0 and the excluded ranges")
        }
    }

    private enum CodingKeys: String, CodingKey { case chunkOrder, pool, excluded, key }

    /// A stored plan is checked like any other.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            chunkOrder: container.decode(Int.self, forKey: .chunkOrder),
            pool: container.decode([SNIRange].self, forKey: .pool),
            excluded: container.decode([SNIRange].self, forKey: .excluded),
            key: container.decode(ShuffleKey.self, forKey: .key))
    }

    /// The order of the chunks.
    public var order: ChunkOrder { ChunkOrder(bits: 24 - chunkOrder, key: key) }

    /// Number of the chunk that an identifier lies in.
    public func chunk(of sni: SessionNetworkID) -> UInt32 { sni.rawValue >> UInt32(chunkOrder) }

    /// True when every identifier of the range may be used.
    public func contains(_ range: SNIRange) -> Bool {
        range.first.rawValue >= 1 << UInt32(chunkOrder) && pool.touching(range).first?.contains(range) ?? false
            && excluded.touching(range).isEmpty
    }

    /// The usable identifiers of a chunk, ascending.
    func usable(in chunk: UInt32) -> [SNIRange] {
        guard chunk != 0 else { return [] }
        let low = chunk << UInt32(chunkOrder)
        let whole = SNIRange(unchecked: low, count: 1 << chunkOrder)
        var usable: [SNIRange] = []
        for range in pool.touching(whole) {
            var cursor = max(low, range.first.rawValue)
            let end = min(whole.end, range.end)
            for hole in excluded.touching(SNIRange(unchecked: cursor, count: Int(end - cursor))) {
                if hole.first.rawValue > cursor {
                    usable.append(SNIRange(unchecked: cursor, count: Int(hole.first.rawValue - cursor)))
                }
                cursor = max(cursor, hole.end)
            }
            if cursor < end { usable.append(SNIRange(unchecked: cursor, count: Int(end - cursor))) }
        }
        return usable
    }

    /// Identifiers that may be used.
    public var capacity: Int { chunks.reduce(0) { $0 + usable(in: $1).reduce(0) { $0 + $1.count } } }

    /// Chunks that hold usable identifiers, ascending.
    public var chunks: [UInt32] {
        var numbers: [UInt32] = []
        for range in pool {
            for number in chunk(of: range.first)...chunk(of: range.last)
            where numbers.last != number && !usable(in: number).isEmpty {
                numbers.append(number)
            }
        }
        return numbers
    }

    /// The fewest aligned blocks that tile a range, ascending.
    static func blocks(of range: SNIRange, orderMax: Int) -> [SNIBlock] {
        var blocks: [SNIBlock] = []
        var first = range.first.rawValue
        while first < range.end {
            let aligned = first == 0 ? 24 : first.trailingZeroBitCount
            let fitting = 31 - (range.end - first).leadingZeroBitCount
            let order = min(aligned, fitting, orderMax)
            blocks.append(SNIBlock(aligned: first, order: order))
            first += 1 << UInt32(order)
        }
        return blocks
    }

    static func joined(_ ranges: [SNIRange]) -> [SNIRange] {
        var result: [SNIRange] = []
        for range in ranges.sorted() {
            if let last = result.last, last.end >= range.first.rawValue {
                let end = max(last.end, range.end)
                result[result.count - 1] = SNIRange(
                    unchecked: last.first.rawValue, count: Int(end - last.first.rawValue))
            } else {
                result.append(range)
            }
        }
        return result
    }
}
