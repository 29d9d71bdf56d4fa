/// What each constant floor would have cost an application, known afterwards: the best of them is what a rule is compared
/// with.
public struct FloorHindsight: Sendable {
    /// Launches that floors up to each size do not serve, over the scored time.
    private var misses: [Int]

    public init(_ application: EventSet.Application) {
        var servers = Servers()
        var byFloor: [Int: Int] = [:]
        var launches = 0
        for event in application.events where event.delta > 0 {
            for _ in 0..<event.delta {
                let rank = servers.launch(at: event.time)
                guard event.time >= 0 else { continue }
                byFloor[rank, default: 0] += 1
                launches += 1
            }
        }
        misses = [launches]
        for floor in stride(from: 1, through: byFloor.keys.max() ?? 0, by: 1) {
            misses.append((misses.last ?? 0) - (byFloor[floor] ?? 0))
        }
    }

    /// Misses and hours of idle identifiers by the cost ratio, of the best floor.
    public func cost(ratio: Double) -> Double {
        let hours = EventSet.end / 3600
        return misses.enumerated().map { Double($0.element) + Double($0.offset) * hours / ratio }.min() ?? 0
    }

    /// Any number of identifiers, each away for the lead time once it was taken; the lowest that is there is taken.
    private struct Servers {
        private var idle: [Int] = []
        private var away: [(due: Double, server: Int)] = []
        private var first = 0
        private var count = 0

        mutating func launch(at time: Double) -> Int {
            while first < away.count, away[first].due <= time {
                let server = away[first].server
                idle.insert(server, at: idle.firstIndex { $0 < server } ?? idle.count)
                first += 1
            }
            if first > 4096 {
                away.removeFirst(first)
                first = 0
            }
            let server: Int
            if let lowest = idle.popLast() {
                server = lowest
            } else {
                count += 1
                server = count
            }
            away.append((time + EventSet.lead, server))
            return server
        }
    }
}
