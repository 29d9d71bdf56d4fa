import Allocation
import NetworkTypes
public import SNISpace

/// The three ways to hand out identifiers that a churn run compares.
public enum ChurnScheme: String, Hashable, Sendable, CaseIterable {
    /// Blocks leased to (application, host) out of ranges per application: the product's way.
    case locality
    /// Single identifiers from the next free place of the keyed-shuffled chunks.
    case shuffled
    /// Single identifiers anywhere.
    case random
}

/// A fleet of hosts and applications over many days, handed to three allocators at once.
public struct ChurnSimulation: Sendable {
    public let plan: ChurnPlan
    private(set) var workload: ChurnWorkload
    private(set) var locality: LocalityScheme
    private(set) var shuffled: SingleScheme
    private(set) var random: SingleScheme
    public private(set) var samples: [ChurnScheme: [ChurnSample]] = [:]
    /// The most launches of any minute.
    private(set) var launchesPeak = 0
    private var minute = 0

    public init(_ plan: ChurnPlan) throws(BookError) {
        precondition(plan.days > 0 && plan.hosts > 1 && plan.applications > 0, "nothing to simulate: \(plan)")
        self.plan = plan
        workload = ChurnWorkload(plan)
        locality = try LocalityScheme(plan, outages: workload.outages)
        shuffled = SingleScheme(.shuffled, plan: plan)
        random = SingleScheme(.random, plan: plan)
    }

    /// Runs to the end and sums up.
    ///
    /// - Parameter progress: called after each day with its number.
    public mutating func run(progress: (Int) -> Void = { _ in }) throws(BookError) -> ChurnSummary {
        for day in 1...plan.days {
            for _ in 0..<1440 { try step() }
            progress(day)
        }
        let scaleIn = try MassScaleIn(self)
        return ChurnSummary(self, scaleIn: scaleIn)
    }

    var now: Instant { Instant(nanoseconds: 0) + ChurnWorkload.minute * minute }

    /// One minute.
    mutating func step() throws(BookError) {
        let events = workload.nextMinute()
        let seats = workload.seats
        var launches = 0
        for event in events {
            try locality.advance(to: event.at)
            switch event.kind {
            case .launch:
                launches += 1
                try locality.launch(event, of: seats[event.seat])
                shuffled.launch(vm: event.vm, seat: event.seat, at: event.at)
                random.launch(vm: event.vm, seat: event.seat, at: event.at)
            case .stop:
                locality.stop(vm: event.vm, seat: event.seat, at: event.at)
                shuffled.stop(vm: event.vm, at: event.at)
                random.stop(vm: event.vm, at: event.at)
            }
        }
        // The first minute is the whole fleet at once: a beginning, not a peak.
        if minute > 0 { launchesPeak = max(launchesPeak, launches) }
        minute += 1
        try locality.advance(to: now)
        try review()
        if (now - Instant(nanoseconds: 0)).inNanoseconds % plan.sampleInterval.inNanoseconds == 0 {
            try locality.temper(at: now)
            sample()
        }
    }

    /// Every seat once per policy interval, not all in the same minute.
    private mutating func review() throws(BookError) {
        let turns = max(1, Int(plan.policyInterval.inNanoseconds / ChurnWorkload.minute.inNanoseconds))
        for seat in stride(from: minute % turns, to: locality.states.count, by: turns) {
            try locality.review(seat, hold: plan.policy.hold, at: now)
        }
    }

    private mutating func sample() {
        for scheme in ChurnScheme.allCases {
            samples[scheme, default: []].append(
                ChurnSample(tables(of: scheme), seats: workload.seats, hosts: plan.hosts, at: now))
        }
    }

    func tables(of scheme: ChurnScheme) -> ChurnTables {
        let (seats, applications) = (workload.seats, plan.applications)
        return switch scheme {
        case .locality: ChurnTables(locality, seats: seats, applications: applications)
        case .shuffled: ChurnTables(shuffled, seats: seats, applications: applications)
        case .random: ChurnTables(random, seats: seats, applications: applications)
        }
    }
}
