import NetworkTypes
import SimulationKit
import Testing

@Suite("Synthetic traces")
struct SyntheticTraceTests {
    private let shapes = [
        TraceShape(mean: 40, amplitude: 0.7, phase: 0.6),
        TraceShape(mean: 10, amplitude: 0.2, phase: 0.1, bursts: 6, burstSize: 12, limit: 30),
    ]

    @Test func aSeedDeterminesTheTrace() {
        #expect(SyntheticTrace(seed: 1, shapes: shapes, days: 2) == SyntheticTrace(seed: 1, shapes: shapes, days: 2))
        #expect(SyntheticTrace(seed: 1, shapes: shapes, days: 2) != SyntheticTrace(seed: 2, shapes: shapes, days: 2))
    }

    @Test func anotherApplicationDoesNotShiftTheFirst() {
        let alone = SyntheticTrace(seed: 1, shapes: [shapes[0]], days: 2)
        let both = SyntheticTrace(seed: 1, shapes: shapes, days: 2)
        #expect(alone.events == both.events.filter { $0.application == 0 })
    }

    @Test func everyStopFollowsItsLaunchAndTheLimitHolds() throws {
        try property("traces are consistent", iterations: 20) { generator in
            let trace = SyntheticTrace(seed: generator.next(), shapes: shapes, days: 2)
            var running: [Set<Int>] = [[], []]
            var launched: [Int] = [0, 0]
            var last = Duration.zero
            for event in trace.events {
                try hold(event.time >= last && event.time < trace.length, "\(event) is out of order")
                last = event.time
                switch event.kind {
                case .launch:
                    try hold(running[event.application].insert(event.vm).inserted, "\(event) runs already")
                    try hold(event.vm == launched[event.application], "\(event) is numbered out of order")
                    launched[event.application] += 1
                case .stop:
                    try hold(running[event.application].remove(event.vm) != nil, "\(event) does not run")
                }
                try hold(running[1].count <= 30, "\(running[1].count) VMs exceed the limit")
            }
        }
    }

    /// The mean level over a day of 1,440 x lives is within six standard errors of a Poisson with correlated samples:
    /// about 24 independent looks a day at a mean of 40, so 40 +- 6 * sqrt(40 / 24) at four days.
    @Test func levelsFollowTheShape() {
        let trace = SyntheticTrace(
            seed: 3, shapes: [TraceShape(mean: 40, amplitude: 0.7, phase: 0.6, noise: 0)], days: 5)
        let samples = trace.samples(application: 0, every: .seconds(300)).dropFirst(288)
        let mean = Double(samples.reduce(0) { $0 + $1.concurrent }) / Double(samples.count)
        #expect(abs(mean - 40) < 6 * (40.0 / 96).squareRoot())
        func average(_ hour: Int) -> Double {
            let picked = samples.filter { Int($0.time.inSeconds / 3600) % 24 == hour }
            return Double(picked.reduce(0) { $0 + $1.concurrent }) / Double(picked.count)
        }
        #expect(average(14) > 55)
        #expect(average(2) < 25)
    }

    @Test func samplesAddUpToTheEvents() {
        let trace = SyntheticTrace(seed: 4, shapes: shapes, days: 1)
        let samples = trace.samples(application: 1, every: .seconds(60))
        let events = trace.events.filter { $0.application == 1 }
        #expect(samples.count == 1440)
        #expect(samples.reduce(0) { $0 + $1.launches } == events.filter { $0.kind == .launch }.count)
        #expect(samples.reduce(0) { $0 + $1.stops } == events.filter { $0.kind == .stop }.count)
        #expect(samples.allSatisfy { $0.peak >= $0.concurrent })
        var level = 0
        for sample in samples {
            level += sample.launches - sample.stops
            #expect(sample.concurrent == level)
        }
    }

    @Test func compressionScalesTimesOnly() {
        let plain = SyntheticTrace(seed: 5, shapes: shapes, days: 1)
        let fast = plain.compressed(by: 1440)
        #expect(fast.dayLength == .seconds(60))
        #expect(fast.events.count == plain.events.count)
        for (slow, quick) in zip(plain.events, fast.events) {
            #expect(slow.vm == quick.vm && slow.kind == quick.kind)
            #expect(abs(quick.time.inSeconds * 1440 - slow.time.inSeconds) < 0.001)
        }
    }

    @Test func growthLiftsLaterDays() {
        let trace = SyntheticTrace(
            seed: 6, shapes: [TraceShape(mean: 50, amplitude: 0, noise: 0, growth: 0.2)], days: 8)
        let samples = trace.samples(application: 0, every: .seconds(600))
        let first = samples[144..<288].reduce(0) { $0 + $1.concurrent }
        let last = samples.suffix(144).reduce(0) { $0 + $1.concurrent }
        // Six days at 20 % are a factor of 2.99.
        #expect(Double(last) / Double(first) > 2.4)
        #expect(Double(last) / Double(first) < 3.6)
    }
}
