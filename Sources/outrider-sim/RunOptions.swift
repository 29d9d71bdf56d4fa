import ArgumentParser
@_spi(Simulation) import FleetSimulation
@_spi(Simulation) import NetworkTypes

/// What `run` and `replay` have in common.
struct RunOptions: ParsableArguments {
    @Option(help: "The seed: a decimal or 0x hexadecimal number of 64 bits.", transform: seed(from:))
    var seed: UInt64

    @Option(help: "Number of hosts, 2 to 12; the seed decides unless this is given.")
    var hosts: Int?

    @Option(help: "Events of the safety phase.")
    var steps = Simulation.defaultSteps

    @Option(help: "Leave out a safeguard, by its name in docs/simulation.md; may be repeated.")
    var defect: [String] = []

    @Option(help: "A kind of fault that comes whatever the seed draws; may be repeated.")
    var fault: [String] = []

    func validate() throws {
        _ = try kinds(from: fault)
        if let hosts, !(2...12).contains(hosts) { throw ValidationError("--hosts must be from 2 to 12") }
        guard steps > 0 else { throw ValidationError("--steps must be positive") }
        _ = try planted(from: defect)
    }

    func run(_ sink: @escaping (String) -> Void) throws -> RunResult {
        let planted = try planted(from: defect)
        let extra = try kinds(from: fault)
        return Simulation.run(seed: seed, hosts: hosts, steps: steps, extra: extra, planted: planted, sink: sink)
    }

    func report(_ result: RunResult) throws {
        let seconds = Double(result.time) / 1e9
        print("seed \(result.seed): \(result.steps) steps, \(seconds) simulated seconds, digest \(result.digest)")
        guard let violation = result.violation else { return print("no violation") }
        print("VIOLATION of \(violation)")
        throw ExitCode(1)
    }
}

func seed(from text: String) throws -> UInt64 {
    let seed = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    guard let seed else { throw ValidationError("'\(text)' is no seed: give a decimal or 0x hexadecimal number") }
    return seed
}

func planted(from names: [String]) throws -> PlantedDefects {
    var planted: PlantedDefects = []
    for name in names {
        guard let known = PlantedDefects.named.first(where: { $0.name == name }) else {
            let all = PlantedDefects.named.map(\.name).joined(separator: ", ")
            throw ValidationError("no defect '\(name)'; there are \(all)")
        }
        planted.insert(known.defect)
    }
    return planted
}

func kinds(from names: [String]) throws -> [FaultKind] {
    try names.map { name in
        guard let kind = FaultKind.allCases.first(where: { "\($0)" == name }) else {
            let all = FaultKind.allCases.map { "\($0)" }.joined(separator: ", ")
            throw ValidationError("no fault '\(name)'; there are \(all)")
        }
        return kind
    }
}
