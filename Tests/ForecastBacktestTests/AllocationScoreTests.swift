import Allocation
import FoundationEssentials
import SimulationKit
import Testing

@testable import ForecastBacktest

@Suite("Allocation: traces, scores, fit")
struct AllocationScoreTests {
    private func application(_ events: [(Double, Int)], id: String = "a", source: String = "s") -> EventSet.Application
    {
        EventSet.Application(
            id: id, source: source, isTrue: true, events: events.map { EventSet.Event(time: $0.0, delta: $0.1) })
    }

    private func plan(_ rows: [(Int, Int)]) -> AllocationPlan {
        let all = (0..<1152).map { rows[min($0, rows.count - 1)] }
        return AllocationPlan(
            application: "a", rows: all.map { AllocationPlan.Row(target: $0.0, extra: $0.1) })
    }

    @Test func aTargetServesTenSecondsLater() {
        let early = AllocationScore(application([(-100, 1), (9, 1)]), plan: plan([(2, 0)]))
        #expect(early.hits == 0 && early.launches == 1)
        let late = AllocationScore(application([(-100, 1), (10, 1)]), plan: plan([(2, 0)]))
        #expect(late.hits == 1)
        #expect(abs(late.free * 345_600 - 10) < 1e-6)
        #expect(abs(late.inUse - (1 + 345_590.0 / 345_600)) < 1e-9)
    }

    @Test func anExtraIsRefilledAfterEachLaunch() {
        let score = AllocationScore(application([(20, 1), (25, 1), (30, 1)]), plan: plan([(0, 1)]))
        #expect(score.hits == 2, "the second comes five seconds after the first took what there was")
        #expect(abs(score.free - 1) < 1e-9)
    }

    @Test func whatStopsIsKeptUpToTheTarget() {
        let kept = AllocationScore(application([(-9, 3), (50, -1), (60, 1)]), plan: plan([(3, 0)]))
        #expect(kept.hits == 1)
        let released = AllocationScore(application([(-9, 3), (50, -1), (60, 1)]), plan: plan([(2, 0)]))
        #expect(released.hits == 0)
        #expect(released.free == 0)
    }

    @Test func aSurplusGoesAtTheNextTick() {
        let score = AllocationScore(application([(-9, 1)]), plan: plan([(5, 0), (1, 0)]))
        #expect(abs(score.free * 345_600 - 4 * 300) < 1e-6)
    }

    @Test func summariesArePooledAndByApplication() {
        var a = AllocationScore(application: "a")
        (a.launches, a.hits, a.free, a.inUse) = (100, 90, 1, 0.5)
        var b = AllocationScore(application: "b")
        (b.launches, b.hits, b.free, b.inUse) = (300, 150, 3, 10)
        var few = AllocationScore(application: "c")
        (few.launches, few.hits, few.free, few.inUse) = (10, 0, 0, 0)
        let summary = AllocationSummary([a, b, few])
        #expect(abs(summary.hit - 240.0 / 410) < 1e-12)
        #expect(abs(summary.hitMacro - 0.7) < 1e-12)
        #expect(abs(summary.waste - 400 / 10.5) < 1e-9)
        #expect(abs(summary.wasteMacro - (100 + 30 + 0) / 3.0) < 1e-9)
    }

    @Test func theBestFloorInHindsightIsWhatTheScorerSays() {
        var generator = SeededGenerator(seed: 4)
        var time = 0.0
        var events: [(Double, Int)] = [(-50, 1)]
        while time < 300_000 {
            time += generator.exponential(mean: 400)
            events.append((time, 1 + generator.poisson(mean: 0.4)))
            if generator.chance(0.5) { events.append((time + 3, 1)) }
        }
        events.sort { $0.0 < $1.0 }
        let application = application(events)
        let hindsight = FloorHindsight(application)
        for ratio in [2.0, 10, 100] {
            let best =
                (0...12).map { floor in
                    let score = AllocationScore(application, plan: plan([(0, floor)]))
                    // What a floor misses in its own first ten seconds belongs to the start of the trace, not to it.
                    return Double(score.misses) + Double(floor) * 96 / ratio
                }.min() ?? 0
            #expect(abs(hindsight.cost(ratio: ratio) - best) <= 3)
        }
    }

    private func busy(_ seed: UInt64, id: String, source: String) -> EventSet.Application {
        var generator = SeededGenerator(seed: seed)
        var events: [(Double, Int)] = [(-9 * 86_400, 2)]
        var time = -9 * 86_400.0
        var running = 2
        while time < EventSet.end {
            time += generator.exponential(mean: 900)
            let delta = running == 0 || generator.chance(0.5) ? generator.integer(in: 1...3) : -1
            running += delta
            events.append((time.rounded(), delta))
        }
        return application(events, id: id, source: source)
    }

    @Test func theReplayIsWhatTheProductDecides() throws {
        let application = busy(1, id: "a", source: "s")
        let policies = try [2.0, 50].map { try MarginalPolicy(costRatio: $0) }
        var replay = AllocationReplay(application, policies: policies, constants: .shipped)
        let plans = replay.plans()
        for (policy, plan) in zip(policies, plans) {
            var allocator = MarginalAllocator(inUse: 2)
            var rows: [AllocationPlan.Row] = []
            var next = 1
            for tick in stride(from: -9 * 86_400.0, to: EventSet.end - 300, by: 300) {
                while next < application.events.count, application.events[next].time < tick + 300 {
                    let event = application.events[next]
                    if event.delta > 0 {
                        allocator.launch(event.delta, at: event.time - tick)
                    } else {
                        allocator.stop(-event.delta, at: event.time - tick)
                    }
                    next += 1
                }
                let decision = allocator.endTick(policy, constants: .shipped)
                if tick + 300 >= 0 {
                    rows.append(AllocationPlan.Row(target: decision.target, extra: decision.extra))
                }
            }
            #expect(rows == plan.rows)
        }
        #expect(plans[0].rows != plans[1].rows)
    }

    @Test func regressionFindsWhatWasPlanted() {
        var generator = SeededGenerator(seed: 8)
        var rows = PoissonRegression.Rows(width: 3)
        for _ in 0..<20_000 {
            let (a, b) = (Float(generator.normal()), Float(generator.normal()))
            let mean = Double(-1 + 0.7 * a - 0.3 * b)
            let count = generator.poisson(mean: naturalExponential(mean))
            rows.append([1, a, b], count: Float(count), weight: 1)
        }
        let beta = PoissonRegression(width: 3, ridge: 1).fit([rows])
        #expect(abs(beta[0] + 1) < 0.05)
        #expect(abs(beta[1] - 0.7) < 0.04)
        #expect(abs(beta[2] + 0.3) < 0.04)
        #expect(PoissonRegression.deviance([rows], beta) < PoissonRegression.deviance([rows], [-0.7, 0, 0]))
    }

    @Test func aFitIsRepeatableAndSeesOnlyWhatIsLeft() throws {
        let set = EventSet(applications: [
            busy(1, id: "a", source: "x"), busy(2, id: "b", source: "y"), busy(3, id: "c", source: "y"),
        ])
        let fit = AllocationFit(set)
        let all = try fit.constants()
        #expect(all == (try AllocationFit(set).constants()))
        let without = try fit.constants(leavingOut: ["y"])
        #expect(without != all)
        #expect(without == (try AllocationFit(EventSet(applications: [set.applications[0]])).constants()))
    }

    @Test func constantsSurviveTheirFile() throws {
        let shipped = MarginalConstants.shipped
        let decoded = try JSONDecoder().decode(MarginalConstants.self, from: Data(try shipped.json.utf8))
        #expect(decoded == shipped)
        let later = try shipped.json.replacing("\"format\" : 1", with: "\"format\" : 2")
        #expect(throws: MarginalError.format(found: 2, known: 1)) {
            try JSONDecoder().decode(MarginalConstants.self, from: Data(later.utf8))
        }
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "otr-constants-\(ProcessInfo.processInfo.processIdentifier)", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, text) in [
            ("short.json", "{\"format\": 1, \"floors\": [], \"levels\": [], \"leaning\": 0}"), ("no.json", "?"),
        ] {
            let file = folder.appending(path: name)
            try Data(text.utf8).write(to: file)
            #expect(throws: ConstantsFileError.self) { try MarginalConstants(file: file) }
        }
        #expect(throws: ConstantsFileError.self) { try MarginalConstants(file: folder.appending(path: "absent.json")) }
    }

    @Test func eventsAreReadInTheOrderOfTime() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "otr-events-\(ProcessInfo.processInfo.processIdentifier)", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let meta = """
            {"a": {"origin": "https://host/x/repo data/file.csv", "step_s": 300, "period_day": 288, "h1": 12, "h24": 288,
            "mase_scale": 1.0, "true_events": true}}
            """
        try Data(meta.utf8).write(to: folder.appending(path: "meta.json"))
        let events = folder.appending(path: "events.csv")
        try Data("t,app,delta\n-2.4e+06,a,3\n7,a,-1\n5,a,2\n400000,a,9\n".utf8).write(to: events)
        let read = try EventSet(folder: folder)
        #expect(read.applications.map(\.id) == ["a"])
        #expect(read.sources == ["repo data"])
        #expect(read.applications[0].isTrue)
        #expect(read.applications[0].events.map(\.time) == [-2_400_000, 5, 7])
        #expect(read.applications[0].events.map(\.delta) == [3, 2, -1])
        try Data("t,app,delta\n1,a,x\n".utf8).write(to: events)
        #expect(throws: TraceError.self) { try EventSet(folder: folder) }
        try Data("t,app,delta\n1,b,1\n".utf8).write(to: events)
        #expect(throws: TraceError.self) { try EventSet(folder: folder) }
    }
}
