import DequeModule
import NetworkTypes
import SNISpace
import SimulationKit

/// Allocators that know neither application nor host: one identifier at a time, reused after the same rests.
struct SingleScheme: Sendable {
    enum Order: Hashable, Sendable {
        /// The first free place of the keyed-shuffled chunks.
        case shuffled
        /// Any free identifier of the space.
        case random
    }

    private static let chunkOrder = 12

    let order: Order
    /// Identifier and seat by VM; nil while its slot is unused.
    private(set) var bound: [(sni: UInt32, seat: Int)?] = []
    private let rest: Duration
    private let chunks: ChunkOrder
    private var generator: SeededGenerator
    /// By identifier: bound or resting.
    private var taken = Array(repeating: UInt64(0), count: SessionNetworkID.spaceSize / 64)
    private var resting = Deque<(place: UInt32, until: Instant)>()
    /// Free places below the next one never used.
    private var freed = IdentifierSet()
    private var fresh: UInt32 = 0

    init(_ order: Order, plan: ChurnPlan) {
        self.order = order
        rest = plan.timing.cooldown + plan.timing.quarantine
        generator = SeededGenerator(seed: plan.seed).fork(order == .random ? 7 : 8)
        let key = ShuffleKey(high: generator.next(), low: generator.next())
        chunks = ChunkOrder(bits: 24 - Self.chunkOrder, key: key)
    }

    mutating func launch(vm: Int, seat: Int, at now: Instant) {
        while let first = resting.first, first.until <= now {
            resting.removeFirst()
            release(first.place)
        }
        while bound.count <= vm { bound.append(nil) }
        precondition(bound[vm] == nil, "VM \(vm) is bound already")
        bound[vm] = (order == .random ? draw() : next(), seat)
    }

    mutating func stop(vm: Int, at now: Instant) {
        guard let place = bound[vm] else { preconditionFailure("VM \(vm) stops and is not bound") }
        bound[vm] = nil
        resting.append((place.sni, now + rest))
    }

    private mutating func release(_ sni: UInt32) {
        switch order {
        case .random: taken[Int(sni >> 6)] &= ~(1 << UInt64(sni & 63))
        case .shuffled:
            let low = sni & (1 << UInt32(Self.chunkOrder) - 1)
            freed.insert(UInt32(chunks.index(of: sni >> UInt32(Self.chunkOrder))) << UInt32(Self.chunkOrder) | low)
        }
    }

    private mutating func draw() -> UInt32 {
        while true {
            let sni = UInt32(truncatingIfNeeded: generator.next() >> 40)
            let (word, bit) = (Int(sni >> 6), UInt64(1) << UInt64(sni & 63))
            // Chunk 0 is nobody's, here as in the product.
            guard sni >= 1 << UInt32(Self.chunkOrder), taken[word] & bit == 0 else { continue }
            taken[word] |= bit
            return sni
        }
    }

    private mutating func next() -> UInt32 {
        while true {
            let place: UInt32
            if let first = freed.min {
                freed.remove(first)
                place = first
            } else {
                place = fresh
                fresh += 1
            }
            let chunk = chunks.chunk(at: Int(place >> UInt32(Self.chunkOrder)))
            if chunk != 0 { return chunk << UInt32(Self.chunkOrder) | place & (1 << UInt32(Self.chunkOrder) - 1) }
        }
    }
}
