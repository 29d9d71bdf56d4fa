import CBareLoop
import Foundation
import Glibc
import NamespaceKit
import Netlink
import NetworkTypes

/// What the host agent does at hypervisor scale. Every part stands for itself and makes its own namespaces.
enum AgentBenchmark {
    private static let parts: [@Sendable () throws -> Void] = [TelemetryBenchmark.run]

    @Sendable static func run() throws {
        for part in parts { try part() }
    }
}

/// Median of the durations, microseconds.
func median(_ values: [Duration]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return Double(sorted[sorted.count / 2].components.attoseconds) * 1e-12
        + Double(sorted[sorted.count / 2].components.seconds) * 1e6
}

/// CPU time of this process so far, seconds.
func processCPU() -> Double {
    var usage = rusage()
    _ = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
}

/// Resident memory of this process, MB.
func residentMegabytes() -> Double {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
    return pages * Double(getpagesize()) / 1e6
}
