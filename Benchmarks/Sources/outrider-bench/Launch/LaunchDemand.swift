import ForecastBacktest
import Foundation
import NetworkTypes
import SimulationKit

/// Launches and stops that every part of the live benchmark replays, on its compressed clock.
struct LaunchDemand {
    /// Names the folder with `events.csv` or `events.csv.gz` (see ForecastBacktest's `EventSet`); without it the demand is
    /// made from a seed.
    static let variable = "OUTRIDER_TRACES"
    static let seed: UInt64 = 20_26
    /// A compressed hour: a day takes a minute and a half, and real launches still find room in it.
    static let hour = Duration.seconds(4)
    static let day = hour * 24
    static let days = 3

    let names: [String]
    /// By time, from the first moment of the first day.
    let events: [TraceEvent]
    /// What it was made from.
    let origin: String

    init() throws {
        if let folder = ProcessInfo.processInfo.environment[Self.variable] {
            self = try Self.recorded(in: URL(filePath: folder, directoryHint: .isDirectory))
        } else {
            self = Self.synthetic()
        }
    }

    private init(names: [String], events: [TraceEvent], origin: String) {
        (self.names, self.events, self.origin) = (names, events, origin)
    }

    /// Largest number of VMs at any time.
    var vmsMost: Int {
        var (now, most) = (0, 0)
        for event in events {
            now += event.kind == .launch ? 1 : -1
            most = max(most, now)
        }
        return most
    }

    func launches(in interval: Range<Duration>) -> Int {
        events.count { $0.kind == .launch && interval.contains($0.time) }
    }

    // MARK: Synthetic

    /// Days of people, nights of batches, and what nobody foresees, each of another size.
    private static let shapes: [(name: String, shape: TraceShape)] = [
        ("shop", TraceShape(mean: 16, amplitude: 0.8, phase: 0.55, sharpness: 1.6, life: 1.0 / 6, limit: 50)),
        ("office", TraceShape(mean: 8, amplitude: 0.9, phase: 0.45, sharpness: 2, life: 1.0 / 4, limit: 30)),
        ("games", TraceShape(mean: 8, amplitude: 0.7, phase: 0.85, life: 1.0 / 10, noise: 0.1, limit: 30)),
        (
            "batch",
            TraceShape(
                mean: 5, amplitude: 0.5, phase: 0.1, life: 1.0 / 10, bursts: 4, burstSize: 8, burstLife: 1.0 / 16,
                limit: 30)
        ),
        ("steady", TraceShape(mean: 6, amplitude: 0.1, life: 1.0 / 4, limit: 20)),
    ]

    private static func synthetic() -> LaunchDemand {
        let trace = SyntheticTrace(
            seed: seed, shapes: shapes.map(\.shape), days: Double(days), dayLength: day)
        return LaunchDemand(names: shapes.map(\.name), events: trace.events, origin: "seed \(seed)")
    }

    // MARK: Recorded

    /// VMs of one application at most, and of all together: what eight hosts in namespaces can carry.
    private static let applicationMost = 40
    private static let applicationsMost = 6
    private static let launchesMost = 400.0

    /// The first days of a recorded set: the busiest applications that are small enough.
    private static func recorded(in folder: URL) throws -> LaunchDemand {
        let set = try EventSet(folder: folder)
        let window = 0.0..<86_400 * Double(days)
        let candidates = set.applications.map { ($0.id, lives(of: $0.events, in: window)) }
            .filter { _, lives in
                let launches = Double(lives.count) / Double(days)
                return !lives.isEmpty && launches <= launchesMost / 2 && most(lives) <= applicationMost
            }.sorted { ($0.1.count, $1.0) > ($1.1.count, $0.0) }
        var chosen: [(name: String, lives: [(start: Double, end: Double?)])] = []
        var launches = 0.0
        for (name, lives) in candidates where chosen.count < applicationsMost {
            launches += Double(lives.count) / Double(days)
            guard launches <= launchesMost else { break }
            chosen.append((name, lives))
        }
        var events: [TraceEvent] = []
        for (application, one) in chosen.enumerated() {
            for (vm, life) in one.lives.enumerated() {
                events.append(event(life.start, application, vm, .launch))
                if let end = life.end { events.append(event(end, application, vm, .stop)) }
            }
        }
        events.sort {
            ($0.time, $0.kind == .stop ? 0 : 1, $0.application, $0.vm)
                < ($1.time, $1.kind == .stop ? 0 : 1, $1.application, $1.vm)
        }
        return LaunchDemand(
            names: chosen.indices.map { "app\($0 + 1)" }, events: events,
            origin: "\(folder.lastPathComponent): \(chosen.map(\.name).joined(separator: ", "))")
    }

    private static func event(_ seconds: Double, _ application: Int, _ vm: Int, _ kind: TraceEvent.Kind) -> TraceEvent {
        TraceEvent(time: hour * (seconds / 3_600), application: application, vm: vm, kind: kind)
    }

    /// Who came first goes first. What runs when the window begins starts with it.
    private static func lives(
        of events: [EventSet.Event], in window: Range<Double>
    ) -> [(start: Double, end: Double?)] {
        var lives: [(start: Double, end: Double?)] = []
        var oldest = 0
        for event in events where event.time < window.upperBound {
            let time = max(event.time, window.lowerBound)
            if event.delta > 0 { lives += Array(repeating: (time, nil), count: event.delta) }
            for _ in 0..<max(0, -event.delta) where oldest < lives.count {
                lives[oldest].end = time
                oldest += 1
            }
        }
        return lives.filter { ($0.end ?? .infinity) > window.lowerBound }
    }

    private static func most(_ lives: [(start: Double, end: Double?)]) -> Int {
        let changes = lives.flatMap { [($0.start, 1)] + ($0.end.map { [($0, -1)] } ?? []) }.sorted { $0 < $1 }
        var (now, most) = (0, 0)
        for change in changes {
            now += change.1
            most = max(most, now)
        }
        return most
    }
}
