import NetworkTypes

/// What is counted of one application; nothing before the scored time.
struct EvaluationTally: Hashable, Sendable {
    private(set) var byClass: [Int] = Array(repeating: 0, count: LaunchClass.allCases.count)
    private(set) var requests = 0
    private(set) var kernelMessages = 0
    /// Identifiers times seconds.
    private(set) var idle = 0.0
    private(set) var idleOnHosts = 0.0
    private(set) var inUse = 0.0
    /// Runs of adjacent identifiers over (application, host) and hours, and how many of these there were.
    private(set) var extents = 0
    private(set) var seats = 0
    private var since: Instant

    private static let zero = Instant(nanoseconds: 0)

    init(since: Instant) { self.since = since }

    mutating func account(_ own: ApplicationHoldings, until now: Instant) {
        guard now > since else { return }
        if now > Self.zero {
            let seconds = (now - max(since, Self.zero)).inSeconds
            idle += Double(own.idle) * seconds
            idleOnHosts += Double(own.idleOnHosts) * seconds
            inUse += Double(own.bound) * seconds
        }
        since = now
    }

    mutating func count(_ kind: LaunchClass, at now: Instant) { if now >= Self.zero { byClass[kind.rawValue] += 1 } }
    mutating func request(at now: Instant) { if now >= Self.zero { requests += 1 } }
    mutating func messages(_ count: Int, at now: Instant) { if now >= Self.zero { kernelMessages += count } }

    mutating func sample(_ own: ApplicationHoldings) {
        for host in own.carriers {
            let blocks = own.blocks[host].map(\.block).sorted()
            seats += 1
            extents += blocks.count
            for (left, right) in zip(blocks, blocks.dropFirst())
            where Int(left.first.rawValue) + left.size == Int(right.first.rawValue) { extents -= 1 }
        }
    }
}
