import NetworkTypes

/// How a launch was served.
public enum LaunchClass: Int, Hashable, Sendable, CaseIterable, Codable {
    /// From a block on its host that all peers carry.
    case staged
    /// From a block on its host that is not staged yet.
    case leased
    /// From what the application has reserved: one round trip to the coordinator.
    case reserved
    /// From the pool: the Network Manager is asked while the launch waits.
    case cold
    /// Not at all: the pool is empty.
    case refused
}

/// What a policy may do.
enum AllocationStep: Hashable, Sendable {
    /// Reserve so many identifiers beyond those owned; all of one answer are one request to the Network Manager.
    case reserve(identifiers: Int)
    /// Give back so many that are reserved and not leased.
    case unreserve(identifiers: Int)
    /// Lease a block to a host: from what is reserved, else the Network Manager is asked.
    case lease(host: Int, order: Int)
    /// Begin the handshake for a block on a host.
    case giveBack(SNIBlock, host: Int)
    /// The same, and it stays the application's: reserved again as soon as it is free.
    case recall(SNIBlock, host: Int)
}

/// What decides how much an application holds, and where. It sees what happened until now and nothing else.
///
/// Answers are carried out at once; the holdings given are those before.
protocol EvaluatedPolicy: Sendable {
    /// As on the command line.
    var name: String { get }
    /// Every launch and stop in their order, from the first of the trace on; those before the replay, too.
    mutating func observe(_ event: EvaluationEvent)
    /// After a launch or a stop of the replay, and after ``observe(_:)``.
    mutating func react(to event: EvaluationEvent, _ own: ApplicationHoldings) -> [AllocationStep]
    /// At every decision interval, for every application.
    mutating func decide(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> [AllocationStep]
    /// Order of the block for a launch that found none on its host.
    func order(_ application: Int, host: Int, _ own: ApplicationHoldings, at now: Instant) -> Int
    /// Identifiers that a launch without any asks of the Network Manager besides its block.
    func fill(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> Int
}

extension EvaluatedPolicy {
    mutating func observe(_ event: EvaluationEvent) {}
    mutating func react(to event: EvaluationEvent, _ own: ApplicationHoldings) -> [AllocationStep] { [] }
    func fill(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> Int { 0 }
}

/// A block on a host.
struct LeasedBlock: Hashable, Sendable {
    var held: HeldBlock
    /// When its host may bind in it.
    let arrives: Instant
    /// What a launch is that waits for it.
    let origin: LaunchClass
    var block: SNIBlock { held.block }
    var isMarked: Bool { held.standing == .marked }

    /// Identifiers that may be bound, now or when it arrives.
    func ready(at now: Instant) -> Int {
        var copy = held
        return copy.ready(at: now)
    }
    func cooling(at now: Instant) -> Int {
        var copy = held
        return copy.cooling(at: now)
    }
    /// Nobody needs it, and what was bound in it has cooled.
    func isIdle(for rest: Duration, at now: Instant) -> Bool {
        guard !isMarked, held.stagedAt <= now, let since = held.emptySince,
            since.nanoseconds + rest.inNanoseconds <= now.nanoseconds
        else { return false }
        return ready(at: now) == block.size
    }
}

/// What one application holds, as policies see it.
struct ApplicationHoldings: Hashable, Sendable {
    /// Reserved and not leased.
    var reserved = 0
    /// Asked of the Network Manager, not granted yet.
    var requested = 0
    /// In blocks on hosts, before their point of no return.
    var leased = 0
    /// Past it, and not free yet.
    var returning = 0
    /// VMs with an identifier.
    var bound = 0
    /// By host.
    var blocks: [[LeasedBlock]]
    /// By host: identifiers of leases that wait for the Network Manager.
    var coming: [Int]
    /// Hosts with a block, ascending.
    var carriers: [Int] = []

    init(hosts: Int) {
        blocks = Array(repeating: [], count: hosts)
        coming = Array(repeating: 0, count: hosts)
    }

    /// Everything that is the application's and not the pool's.
    var owned: Int { reserved + leased + returning }
    /// Not in the pool, or soon not any more, and of no use yet.
    var idle: Int { owned + requested - bound }
    var idleOnHosts: Int { leased - bound }

    /// Identifiers at a host that a launch could take, now or as soon as they arrive.
    func ready(on host: Int, at now: Instant) -> Int {
        var sum = coming[host]
        for block in blocks[host] where !block.isMarked { sum += block.ready(at: now) }
        return sum
    }
    func bound(on host: Int) -> Int { blocks[host].reduce(0) { $0 + $1.held.bound } }
    func cooling(on host: Int, at now: Instant) -> Int {
        blocks[host].reduce(0) { $0 + ($1.isMarked ? 0 : $1.cooling(at: now)) }
    }
}
