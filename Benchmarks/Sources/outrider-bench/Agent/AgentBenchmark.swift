import Foundation
import Glibc

/// What the host agent does at hypervisor scale. Every part makes its own namespaces, and measures its peers beside
/// itself, on the same objects.
enum AgentBenchmark {
    @Sendable static func run() throws {
        try DataplaneBenchmark.run()
        try ForwardingBenchmark.run()
        try TelemetryBenchmark.run()
        try InstallationBenchmark.run()
    }
}

/// Median of the durations, microseconds.
func median(_ values: [Duration]) -> Double { quantile(values.map { $0 / .microseconds(1) }, 0.5) }

/// A quantile of figures, the nearest that occurred.
func quantile(_ values: [Double], _ level: Double) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return .nan }
    return sorted[min(sorted.count - 1, Int(Double(sorted.count) * level))]
}

/// CPU time of this process so far, seconds.
func processCPU() -> Double {
    var usage = rusage()
    _ = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
}

/// Resident memory of this process, MB.
func residentMegabytes() -> Double { ProcessFigures(of: getpid()).resident }

/// What the kernel says of a process.
struct ProcessFigures {
    /// Resident memory now, and the most that it ever was, MB.
    var resident = 0.0
    var residentMost = 0.0
    /// CPU time so far, seconds.
    var cpu = 0.0

    /// From /proc (proc(5)).
    init(of process: Int32) {
        func text(_ name: String) -> String {
            (try? String(contentsOfFile: "/proc/\(process)/\(name)", encoding: .utf8)) ?? ""
        }
        for line in text("status").split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" }
            guard words.count > 1, let kilobytes = Double(words[1]) else { continue }
            if words[0] == "VmRSS:" { resident = kilobytes * 1024 / 1e6 }
            if words[0] == "VmHWM:" { residentMost = kilobytes * 1024 / 1e6 }
        }
        // Behind the name, which may hold spaces: utime and stime are fields 14 and 15 of the whole line.
        let fields = text("stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return }
        cpu = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
