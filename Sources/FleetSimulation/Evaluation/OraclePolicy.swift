import NetworkTypes

/// Knows every launch until the next decision's blocks can serve, and holds no more than those take.
struct OraclePolicy: EvaluatedPolicy {
    /// By application, by time.
    private var launches: [[(at: Instant, host: Int)]]
    /// By application: launches that are over.
    private var passed: [Int]
    private let window: Duration
    let name = "oracle"

    /// - Parameter window: from a decision until the next one's blocks can serve.
    init(_ workload: EvaluationWorkload, window: Duration) {
        self.window = window
        launches = workload.applications.map { _ in [] }
        for event in workload.events where event.isLaunch { launches[event.application].append((event.at, event.host)) }
        passed = Array(repeating: 0, count: workload.applications.count)
    }

    mutating func decide(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> [AllocationStep] {
        let all = launches[application]
        while passed[application] < all.count, all[passed[application]].at < now { passed[application] += 1 }
        var needs: [Int: Int] = [:]
        for launch in all[passed[application]...] {
            guard launch.at <= now + window else { break }
            needs[launch.host, default: 0] += 1
        }
        var steps: [AllocationStep] = []
        for host in Set(needs.keys).union(own.carriers).sorted() {
            let need = needs[host] ?? 0
            var ready = own.ready(on: host, at: now)
            while ready < need {
                let order = SNIBlock.order(atLeast: need - ready)
                steps.append(.lease(host: host, order: order))
                ready += 1 << order
            }
            for block in own.blocks[host] where ready - block.block.size >= need && block.isIdle(for: .zero, at: now) {
                steps.append(.giveBack(block.block, host: host))
                ready -= block.block.size
            }
        }
        return steps
    }

    func order(_ application: Int, host: Int, _ own: ApplicationHoldings, at now: Instant) -> Int {
        SNIBlock.orders.lowerBound
    }
}
