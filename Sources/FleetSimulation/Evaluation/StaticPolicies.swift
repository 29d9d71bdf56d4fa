import NetworkTypes

/// So many identifiers ready for each application on each host, refilled at once: what operators configure today (the
/// warm pool of Amazon's VPC CNI, per application).
struct WarmPolicy: EvaluatedPolicy {
    let count: Int
    let order: Int
    /// Nil: on every host; else on hosts that took a launch within this time.
    let recent: Duration?
    /// By application and host: the last launch.
    private var launched: [[Instant?]]

    init(count: Int, order: Int, recent: Duration?, applications: Int, hosts: Int) {
        self.count = count
        self.order = order
        self.recent = recent
        launched = Array(repeating: Array(repeating: nil, count: recent == nil ? 0 : hosts), count: applications)
    }

    var name: String { "warm:\(count):\(1 << order)" + (recent == nil ? "" : ":recent") }

    mutating func observe(_ event: EvaluationEvent) {
        if recent != nil, event.isLaunch { launched[event.application][event.host] = event.at }
    }

    private func wants(_ application: Int, _ host: Int, at now: Instant) -> Int {
        guard let recent else { return count }
        return launched[application][host].map { now - $0 < recent } ?? false ? count : 0
    }

    private func refill(_ host: Int, wanted: Int, _ own: ApplicationHoldings, at now: Instant) -> [AllocationStep] {
        let missing = wanted - own.ready(on: host, at: now)
        guard missing > 0 else { return [] }
        return Array(repeating: .lease(host: host, order: order), count: (missing + (1 << order) - 1) >> order)
    }

    mutating func react(to event: EvaluationEvent, _ own: ApplicationHoldings) -> [AllocationStep] {
        guard event.isLaunch else { return [] }
        return refill(event.host, wanted: wants(event.application, event.host, at: event.at), own, at: event.at)
    }

    mutating func decide(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> [AllocationStep] {
        var steps: [AllocationStep] = []
        for host in own.blocks.indices {
            let wanted = wants(application, host, at: now)
            var spare = own.ready(on: host, at: now) - wanted
            if spare < 0 { steps += refill(host, wanted: wanted, own, at: now) }
            for block in own.blocks[host] where block.block.size <= spare && block.isIdle(for: .zero, at: now) {
                steps.append(.giveBack(block.block, host: host))
                spare -= block.block.size
            }
        }
        return steps
    }

    func order(_ application: Int, host: Int, _ own: ApplicationHoldings, at now: Instant) -> Int { order }
}

/// Blocks of one size, taken when a host has no room, given back when they have been empty for a while: Calico's block
/// affinity without a rest, serverless keep-alive with one. Besides, each application may have a reserve for launches on
/// hosts without room, refilled to its high watermark as soon as it is below the low one.
struct KeepPolicy: EvaluatedPolicy {
    let rest: Duration
    let order: Int
    /// Identifiers reserved and not leased.
    var low = 0
    var high = 0

    var name: String {
        if rest == .zero, high == 0 { return "blocks:\(1 << order)" }
        return "keep:\(Int(rest.inSeconds)):\(1 << order)" + (high > 0 ? ":\(low):\(high)" : "")
    }

    private func refill(_ own: ApplicationHoldings) -> [AllocationStep] {
        let present = own.reserved + own.requested
        return present < low ? [.reserve(identifiers: high - present)] : []
    }

    mutating func react(to event: EvaluationEvent, _ own: ApplicationHoldings) -> [AllocationStep] { refill(own) }

    mutating func decide(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> [AllocationStep] {
        let empty: [AllocationStep] = own.carriers.flatMap { host in
            own.blocks[host].filter { $0.isIdle(for: rest, at: now) }.map { .giveBack($0.block, host: host) }
        }
        return empty + refill(own)
    }

    func order(_ application: Int, host: Int, _ own: ApplicationHoldings, at now: Instant) -> Int { order }
}
