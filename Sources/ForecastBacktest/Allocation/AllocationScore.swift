/// What a plan served and kept idle for one application, by the rules of the reference scorer of the traces: a decision at
/// a tick knows what was before; what it asks for serves ten seconds later; `extra` is refilled at every launch.
public struct AllocationScore: Sendable, Hashable {
    public var application: String
    public var launches = 0
    public var hits = 0
    /// Means over the scored time.
    public var free = 0.0
    public var inUse = 0.0

    public var misses: Int { launches - hits }
    /// Hours of one identifier.
    public var idleHours: Double { free * EventSet.end / 3600 }

    public init(application: String) { self.application = application }

    public init(_ application: EventSet.Application, plan: AllocationPlan) {
        var book = Book(application: application.id)
        var next = 0
        let events = application.events
        while next < events.count, events[next].time < 0 {
            book.event(events[next])
            next += 1
        }
        for (tick, row) in plan.rows.enumerated() {
            let start = Double(tick) * EventSet.tick
            book.activate(before: start)
            book.retarget(row, at: start)
            while next < events.count, events[next].time < start + EventSet.tick {
                book.activate(through: events[next].time)
                book.event(events[next])
                next += 1
            }
            book.activate(before: start + EventSet.tick)
        }
        book.account(to: EventSet.end)
        self = book.score
    }

    /// What an application holds.
    private struct Book {
        var score: AllocationScore
        private var inUse = 0
        private var free = 0
        private var pending: [(due: Double, count: Int)] = []
        private var pendingCount = 0
        private var target = 0
        private var extra = 0
        private var time = 0.0

        init(application: String) { score = AllocationScore(application: application) }

        mutating func account(to now: Double) {
            guard now > time else { return }
            score.free += Double(free + pendingCount) * (now - time) / EventSet.end
            score.inUse += Double(inUse) * (now - time) / EventSet.end
            time = now
        }

        mutating func activate(through now: Double) { activate { $0 <= now } }
        /// What becomes usable exactly at a tick waits for its decision.
        mutating func activate(before now: Double) { activate { $0 < now } }

        private mutating func activate(_ isDue: (Double) -> Bool) {
            while let first = pending.first, isDue(first.due) {
                pending.removeFirst()
                pendingCount -= first.count
                free += first.count
            }
        }

        mutating func retarget(_ row: AllocationPlan.Row, at now: Double) {
            account(to: now)
            (target, extra) = (row.target, row.extra)
            let want = max(target - inUse, extra, 0)
            let held = free + pendingCount
            if held < want { reserve(want - held, at: now) } else { free -= min(held - want, free) }
        }

        private mutating func reserve(_ count: Int, at now: Double) {
            pending.append((now + EventSet.lead, count))
            pendingCount += count
        }

        mutating func event(_ event: Event) {
            account(to: event.time)
            if event.delta > 0 {
                for _ in 0..<event.delta { launch(at: event.time) }
            } else {
                for _ in 0..<min(-event.delta, inUse) { stop() }
            }
        }

        private mutating func launch(at now: Double) {
            if now >= 0 { score.launches += 1 }
            if free > 0 {
                free -= 1
                if now >= 0 { score.hits += 1 }
            }
            inUse += 1
            let need = extra - free - pendingCount
            if extra > 0, need > 0 { reserve(need, at: now) }
        }

        private mutating func stop() {
            inUse -= 1
            if inUse + 1 + free + pendingCount <= target || free + pendingCount < extra { free += 1 }
        }
    }

    typealias Event = EventSet.Event
}

/// Scores of a whole set.
public struct AllocationSummary: Sendable, Hashable {
    /// Served by what was held: of all launches, and the mean over applications with at least twenty.
    public var hit: Double
    public var hitMacro: Double
    /// Percent: idle of used identifiers; and the mean over applications, of at least one identifier in use each.
    public var waste: Double
    public var wasteMacro: Double

    public init(_ scores: [AllocationScore]) {
        let launches = scores.map(\.launches).reduce(0, +)
        hit = Double(scores.map(\.hits).reduce(0, +)) / Double(max(1, launches))
        let often = scores.filter { $0.launches >= 20 }.map { Double($0.hits) / Double($0.launches) }
        hitMacro = often.reduce(0, +) / Double(max(1, often.count))
        waste = 100 * scores.map(\.free).reduce(0, +) / max(1e-9, scores.map(\.inUse).reduce(0, +))
        let shares = scores.map { 100 * $0.free / max(1, $0.inUse) }
        wasteMacro = shares.reduce(0, +) / Double(max(1, shares.count))
    }
}
