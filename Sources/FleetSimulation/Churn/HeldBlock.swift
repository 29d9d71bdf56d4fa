import Allocation
import DequeModule
import NetworkTypes

/// A leased block as its host knows it: which identifiers are bound, which rest, which may be bound next.
struct HeldBlock: Hashable, Sendable {
    enum Standing: Hashable, Sendable {
        /// Takes launches.
        case open
        /// Keeps its VMs, takes no launch.
        case closing
        /// The host is asked to drain it.
        case marked
    }

    private struct Rest: Hashable, Sendable {
        var offset: UInt8
        /// End of the cooldown.
        var ready: Instant
    }

    let block: SNIBlock
    var epoch: Epoch
    /// When its host learns that every peer that can be reached carries it.
    var stagedAt: Instant
    var standing = Standing.open
    private(set) var bound = 0
    /// Since when no VM is in it; nil while one is.
    private(set) var emptySince: Instant?
    /// Not bound, longest unused first: the order of stops is the order of the ends of their cooldowns.
    private var unused: Deque<Rest>
    /// How many of the first are known to have cooled.
    private var cooled: Int

    init(block: SNIBlock, epoch: Epoch, stagedAt: Instant, at now: Instant) {
        self.block = block
        self.epoch = epoch
        self.stagedAt = stagedAt
        emptySince = now
        unused = Deque((0..<block.size).map { Rest(offset: UInt8($0), ready: now) })
        cooled = block.size
    }

    /// Identifiers that may be bound now.
    mutating func ready(at now: Instant) -> Int {
        while cooled < unused.count, unused[cooled].ready <= now { cooled += 1 }
        return cooled
    }

    /// Stopped lately, not to be bound yet.
    mutating func cooling(at now: Instant) -> Int { unused.count - ready(at: now) }

    /// Binds the identifier that has been unused for longest.
    mutating func bind(at now: Instant) -> SessionNetworkID? {
        guard ready(at: now) > 0, let rest = unused.popFirst() else { return nil }
        cooled -= 1
        bound += 1
        emptySince = nil
        return SessionNetworkID(unchecked: block.first.rawValue + UInt32(rest.offset))
    }

    mutating func unbind(_ sni: SessionNetworkID, cooldown: Duration, at now: Instant) {
        precondition(bound > 0 && block.contains(sni), "\(sni) is not bound in \(block)")
        bound -= 1
        unused.append(Rest(offset: UInt8(sni.rawValue - block.first.rawValue), ready: now + cooldown))
        if bound == 0 { emptySince = now }
    }

    mutating func view(at now: Instant) -> BlockPolicy.View {
        BlockPolicy.View(
            order: block.order, bound: bound, ready: ready(at: now), isOpen: standing == .open,
            isStaged: stagedAt <= now)
    }
}
