import ArgumentParser
@_spi(Simulation) import FleetSimulation
import Glibc
@_spi(Simulation) import NetworkTypes

struct FuzzCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fuzz",
        abstract: "Runs one seed after another for some time.",
        discussion: """
            Prints every violation with its seed, the last lines of its log and the command that replays it; at the end \
            the rate of simulated events per second and core, and the rare paths that no run was on.
            """)

    @Option(help: "How long to go on.")
    var seconds: Double = 60

    @Option(help: "Seeds that run at one time.")
    var jobs = 1

    @Option(help: "First seed; the others follow it.", transform: seed(from:))
    var seed: UInt64 = 1

    @Option(help: "Number of hosts, 2 to 12; each seed decides unless this is given.")
    var hosts: Int?

    @Option(help: "Events of each safety phase.")
    var steps = Simulation.defaultSteps

    @Option(help: "Leave out a safeguard, by its name in docs/simulation.md; may be repeated.")
    var defect: [String] = []

    @Option(help: "A kind of fault that comes whatever the seeds draw; may be repeated.")
    var fault: [String] = []

    @Option(help: "Lines of the log to print with a violation.")
    var lines = 40

    @Flag(help: "Go on after a violation.")
    var keepGoing = false

    func validate() throws {
        if let hosts, !(2...12).contains(hosts) { throw ValidationError("--hosts must be from 2 to 12") }
        guard seconds > 0, steps > 0, lines >= 0 else { throw ValidationError("lengths and counts must be positive") }
        guard (1...256).contains(jobs) else { throw ValidationError("--jobs must be from 1 to 256") }
        _ = try (planted(from: defect), kinds(from: fault))
    }

    func run() async throws {
        let (planted, extra) = try (planted(from: defect), kinds(from: fault))
        let fuzz = Fuzz(
            first: seed, jobs: jobs, hosts: hosts, steps: steps, extra: extra, planted: planted,
            stopsAtViolation: !keepGoing)
        let started = ContinuousClock.now
        let cpuBefore = clock()
        let limit = started + .nanoseconds(Int64(seconds * 1e9))
        let total = await fuzz.run(while: { ContinuousClock.now < limit }) { violated(by: $0, extra, planted) }
        let cpu = Double(clock() - cpuBefore) / Double(CLOCKS_PER_SEC)
        report(total, cpu: cpu, elapsed: ContinuousClock.now - started)
        if !total.violations.isEmpty { throw ExitCode(1) }
    }

    private func violated(by result: RunResult, _ extra: [FaultKind], _ planted: PlantedDefects) {
        guard let violation = result.violation else { return }
        var tail: [String] = []
        if lines > 0 {
            _ = Simulation.run(seed: result.seed, hosts: hosts, steps: steps, extra: extra, planted: planted) { line in
                tail.append(line)
                if tail.count > 2 * lines { tail.removeFirst(tail.count - lines) }
            }
        }
        let more =
            (hosts.map { " --hosts \($0)" } ?? "") + fault.map { " --fault \($0)" }.joined()
            + defect.map { " --defect \($0)" }.joined()
        print(
            (["VIOLATION with seed \(result.seed): \(violation)"] + tail.suffix(lines).map { "    \($0)" }
                + ["    again: outrider-sim replay --seed \(result.seed) --steps \(steps)\(more)"])
                .joined(separator: "\n"))
    }

    private func report(_ total: Fuzz.Total, cpu: Double, elapsed: Duration) {
        let rate = Int(Double(total.steps) / max(cpu, 0.001))
        print(
            "\(total.runs) runs, \(total.steps) events, \(Int(Double(total.time) / 1e9)) simulated seconds in \(elapsed) "
                + "on \(jobs) jobs: \(rate) events per second and core")
        let missing = total.probes.neverReached
        print(
            missing.isEmpty
                ? "every probe was reached"
                : "never reached: \(missing.map { "\($0)" }.joined(separator: ", "))")
        print("\(total.violations.count) violations")
    }
}
