import NetworkTypes

/// Seasonal naive: the peak of the same five minutes yesterday, and a quantile of by how much that was off in the last
/// two weeks.
struct NaiveRule: TargetRule {
    private struct Past: Sendable {
        var bound = 0
        /// Of the slot under way.
        var peak = 0
        /// Of the slots before it, from the first on.
        var peaks: [Int32] = []
        var first: Int64?
        var margin = 0
        var refreshed = Int64.min
    }

    let quantile: Double
    let window: Duration
    private var pasts: [Past]

    private static let slot = Int64(300_000_000_000)
    private static let day = 288
    private static let residualsMost = 14 * 288
    private static let residualsLeast = 20
    private static let refresh = Int64(12)

    /// - Parameter window: from a decision until the next one's blocks can serve.
    init(quantile: Double, window: Duration, applications: Int) {
        self.quantile = quantile
        self.window = window
        pasts = Array(repeating: Past(), count: applications)
    }

    var name: String { "naive:\(quantile)" }

    mutating func observe(_ event: EvaluationEvent) {
        advance(event.application, to: event.at)
        pasts[event.application].bound += event.isLaunch ? 1 : -1
        pasts[event.application].peak = max(pasts[event.application].peak, pasts[event.application].bound)
    }

    mutating func target(_ application: Int, bound: Int, at now: Instant) -> HoldingTarget {
        advance(application, to: now)
        let slot = Self.number(now)
        if slot - Self.refresh >= pasts[application].refreshed || pasts[application].refreshed == .min {
            pasts[application].refreshed = slot
            pasts[application].margin = margin(pasts[application].peaks)
        }
        let past = pasts[application]
        guard let first = past.first else { return HoldingTarget(total: 0) }
        var expected = 0
        for slot in slot...Self.number(now + window) {
            let before = Int(slot - first) - Self.day
            expected = max(expected, past.peaks.indices.contains(before) ? Int(past.peaks[before]) : past.bound)
        }
        return HoldingTarget(total: max(0, expected + past.margin))
    }

    /// Closes the slots that are over.
    private mutating func advance(_ application: Int, to now: Instant) {
        let slot = Self.number(now)
        guard let first = pasts[application].first else {
            pasts[application].first = slot
            return
        }
        while first + Int64(pasts[application].peaks.count) < slot {
            pasts[application].peaks.append(Int32(clamping: pasts[application].peak))
            pasts[application].peak = pasts[application].bound
        }
    }

    private func margin(_ peaks: [Int32]) -> Int {
        let begin = max(Self.day, peaks.count - Self.residualsMost)
        guard peaks.count - begin > Self.residualsLeast else { return 0 }
        let errors = (begin..<peaks.count).map { peaks[$0] - peaks[$0 - Self.day] }.sorted()
        let place = (Double(errors.count - 1) * quantile).rounded(.up)
        return Int(errors[min(errors.count - 1, Int(place))])
    }

    private static func number(_ now: Instant) -> Int64 {
        let nanoseconds = now.nanoseconds
        return nanoseconds >= 0 ? nanoseconds / slot : -((slot - 1 - nanoseconds) / slot)
    }
}
