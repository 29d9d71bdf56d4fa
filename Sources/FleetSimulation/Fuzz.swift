@_spi(Simulation) public import NetworkTypes

/// Many runs, seed after seed, on several cores.
@_spi(Simulation) public struct Fuzz: Sendable {
    public struct Total: Sendable {
        public var runs = 0
        public var steps = 0
        /// Simulated, nanoseconds.
        public var time: Int64 = 0
        public var probes = ProbeCounts()
        public var violations: [RunResult] = []
    }

    let first: UInt64
    let jobs: Int
    let hosts: Int?
    let steps: Int
    let extra: [FaultKind]
    let planted: PlantedDefects
    let stopsAtViolation: Bool

    public init(
        first: UInt64, jobs: Int, hosts: Int?, steps: Int, extra: [FaultKind], planted: PlantedDefects,
        stopsAtViolation: Bool
    ) {
        self.first = first
        self.jobs = jobs
        self.hosts = hosts
        self.steps = steps
        self.extra = extra
        self.planted = planted
        self.stopsAtViolation = stopsAtViolation
    }

    /// Job `n` takes the seeds `first + n`, `first + n + jobs`, and so on.
    public func run(
        while goesOn: @escaping @Sendable () -> Bool, violated: @escaping @Sendable (RunResult) -> Void
    ) async -> Total {
        await withTaskGroup(of: Total.self) { group in
            for job in 0..<jobs { group.addTask { self.job(job, while: goesOn, violated: violated) } }
            var total = Total()
            for await part in group {
                total.runs += part.runs
                total.steps += part.steps
                total.time += part.time
                total.probes.add(part.probes)
                total.violations += part.violations
            }
            return total
        }
    }

    private func job(
        _ job: Int, while goesOn: @Sendable () -> Bool, violated: @Sendable (RunResult) -> Void
    ) -> Total {
        var total = Total()
        var seed = first &+ UInt64(job)
        while goesOn() {
            let result = Simulation.run(seed: seed, hosts: hosts, steps: steps, extra: extra, planted: planted)
            seed &+= UInt64(jobs)
            total.runs += 1
            total.steps += result.steps
            total.time += result.time
            total.probes.add(result.probes)
            guard result.violation != nil else { continue }
            total.violations.append(result)
            violated(result)
            if stopsAtViolation { break }
        }
        return total
    }
}
