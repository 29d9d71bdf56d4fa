import NetworkTypes

/// What an application should hold, as a rule that knows no hosts says it.
struct HoldingTarget: Hashable, Sendable {
    /// Identifiers in all, those in use included.
    var total: Int
    /// At least so many unused at any moment.
    var extra = 0
}

/// A rule for whole applications: told of every launch and stop, asked at every decision.
protocol TargetRule: Sendable {
    /// As on the command line.
    var name: String { get }
    mutating func observe(_ event: EvaluationEvent)
    mutating func target(_ application: Int, bound: Int, at now: Instant) -> HoldingTarget
}

/// Lays the targets of a rule out on hosts: whole blocks where a host's share of recent launches asks for one, the rest
/// reserved and not leased, so that it serves whichever host needs it in one round trip.
struct SpreadPolicy<Rule: TargetRule>: EvaluatedPolicy {
    private var rule: Rule
    private var shares: HostShares
    private var extras: [Int]
    /// Since when more is reserved than is missing on hosts, and the most that was missing since.
    private var surplus: [(since: Instant, most: Int)?]
    /// A block is leased ahead where at least this much of it is expected to be used.
    private static var fillLeast: Double { 0.5 }
    /// A surplus lasts so long before it is given back.
    private let hold: Duration

    init(_ rule: Rule, applications: Int, hosts: Int, hold: Duration) {
        self.rule = rule
        self.hold = hold
        shares = HostShares(applications: applications, hosts: hosts)
        extras = Array(repeating: 0, count: applications)
        surplus = Array(repeating: nil, count: applications)
    }

    var name: String { rule.name }

    mutating func observe(_ event: EvaluationEvent) {
        rule.observe(event)
        shares.observe(event)
    }

    mutating func react(to event: EvaluationEvent, _ own: ApplicationHoldings) -> [AllocationStep] {
        let extra = extras[event.application]
        guard event.isLaunch, extra > 0 else { return [] }
        return layOut(event.application, own, unused: extra, givesBack: false, at: event.at)
    }

    mutating func decide(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> [AllocationStep] {
        let target = rule.target(application, bound: own.bound, at: now)
        extras[application] = target.extra
        // What rests is held as well, and is of use to the next launches but one.
        let cooling = own.carriers.reduce(0) { $0 + own.cooling(on: $1, at: now) }
        let unused = max(target.total - own.bound - cooling, target.extra, 0)
        return layOut(application, own, unused: unused, givesBack: true, at: now)
    }

    func order(_ application: Int, host: Int, _ own: ApplicationHoldings, at now: Instant) -> Int {
        SNIBlock.orders.lowerBound
    }

    private mutating func layOut(
        _ application: Int, _ own: ApplicationHoldings, unused: Int, givesBack: Bool, at now: Instant
    ) -> [AllocationStep] {
        var steps: [AllocationStep] = []
        let shares = shares.shares(application, own, at: now)
        let smallest = Double(1 << SNIBlock.orders.lowerBound)
        /// What is where it is expected to be used; what lies elsewhere serves nobody soon.
        var useful = 0
        for host in own.blocks.indices {
            let wanted = shares.map { $0[host] * Double(unused) } ?? 0
            guard wanted > 0 || !own.blocks[host].isEmpty else { continue }
            var ready = own.ready(on: host, at: now)
            if wanted >= smallest * Self.fillLeast, Double(ready) < wanted / 2 {
                let order = SNIBlock.order(atLeast: Int((wanted - Double(ready)).rounded(.up)))
                steps.append(.lease(host: host, order: order))
                ready += 1 << order
            }
            if givesBack {
                for block in own.blocks[host]
                where Double(ready - block.block.size) >= wanted && block.isIdle(for: hold, at: now) {
                    steps.append(.giveBack(block.block, host: host))
                    ready -= block.block.size
                }
            }
            useful += min(ready, Int(wanted.rounded(.up)))
        }
        return steps
            + reserve(application, own, missing: whole(unused - useful), after: steps, givesBack: givesBack, at: now)
    }

    /// What no host has is reserved at once; what is reserved beyond that is given back when it has been too much for
    /// long enough.
    private mutating func reserve(
        _ application: Int, _ own: ApplicationHoldings, missing: Int, after steps: [AllocationStep], givesBack: Bool,
        at now: Instant
    ) -> [AllocationStep] {
        // What these leases take out of the reserve is missing there.
        let leased = steps.reduce(0) { if case .lease(_, let order) = $1 { $0 + 1 << order } else { $0 } }
        let present = max(0, own.reserved - leased) + own.requested - own.coming.reduce(0, +)
        guard present > missing else {
            surplus[application] = nil
            return present < missing ? [.reserve(identifiers: missing - present)] : []
        }
        guard let (since, most) = surplus[application] else {
            surplus[application] = (now, missing)
            return []
        }
        surplus[application] = (since, max(most, missing))
        guard givesBack, now - since >= hold else { return [] }
        surplus[application] = nil
        let spare = min(own.reserved, present - max(most, missing))
        return spare > 0 ? [.unreserve(identifiers: spare)] : []
    }

    private func whole(_ identifiers: Int) -> Int { (max(0, identifiers) + 3) & ~3 }
}

extension SNIBlock {
    /// The smallest order that holds so many, at most the largest that is leased.
    static func order(atLeast identifiers: Int) -> Int {
        orders.first { 1 << $0 >= identifiers } ?? orders.upperBound
    }
}
