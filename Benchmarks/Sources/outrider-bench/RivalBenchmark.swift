import Forecasting
import Foundation

/// CPU per forecast beside statsforecast's AutoETS, in one run: OUTRIDER_PYTHON names a Python that has it.
enum RivalBenchmark {
    static let variable = "OUTRIDER_PYTHON"

    /// Fits and forecasts a day ahead with eight quantiles' worth of intervals; prints CPU seconds per series.
    private static let script = """
        import sys, time, numpy as np
        from statsforecast.models import AutoETS
        rows = [np.array([float(v) for v in line.split()]) for line in sys.stdin]
        def go(y):
            AutoETS(season_length=24).forecast(y=y, h=288, level=[80, 90, 95, 98])
        go(rows[0])
        start = time.process_time()
        for y in rows: go(y)
        print((time.process_time() - start) / len(rows))
        """

    static func run() throws {
        let metric = "AutoETS's CPU per forecast / ours"
        guard let python = ProcessInfo.processInfo.environment[variable] else {
            return Results.absent(metric, "times", bar: 1000, why: "\(variable) names no Python with statsforecast")
        }
        let plan = SeriesPlan(try SeriesConfiguration())
        let prior = FleetPrior(plan: plan)
        let (learned, values) = try SeriesBenchmark.lively(plan, prior)
        let rounds = 300
        // A sample and a day ahead at every step: what the other gives after its fit.
        let own = try SeriesBenchmark.perCall(rounds) {
            for round in 0..<rounds {
                var series = learned
                try series.observe(values[28 * 288 + round], at: 28 * 288)
                precondition(series.quantiles(upTo: 288).count == 288)
            }
        }
        let theirs = try measure(python, rows: (0..<4).map { Array(values[$0 * 288..<($0 + 14) * 288]) })
        Results.note("ours: a sample and 288 steps x 8 quantiles", own, "us")
        Results.note("AutoETS: fit and 288 steps", theirs * 1000, "ms")
        Results.note(metric, theirs * 1e6 / own, "times", floor: 1000)
    }

    private static func measure(_ python: String, rows: [[Double]]) throws -> Double {
        let process = Process()
        process.executableURL = URL(filePath: python)
        process.arguments = ["-c", script]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let text = rows.map { $0.map { "\($0)" }.joined(separator: " ") }.joined(separator: "\n") + "\n"
        try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
        try input.fileHandleForWriting.close()
        let answer = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0,
            let value = Double(String(decoding: answer, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
        else { throw CocoaError(.fileReadCorruptFile) }
        return value
    }
}
