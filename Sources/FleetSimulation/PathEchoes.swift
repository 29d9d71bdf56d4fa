import AgentCore
import DequeModule
import FleetProtocol
import NetworkTypes

/// An answer that has come back through the tunnel.
struct Echo {
    var vtep: IPAddress
    var round: UInt64
    var isFull: Bool
}

/// What a host was answered since its agent started, counted in the dullest way.
struct EchoTally {
    /// Rounds in a row without an answer to the long echo, by endpoint; the round under way is not counted.
    var missed: [IPAddress: Int] = [:]
    /// Answered in the round under way.
    var heard: Set<IPAddress> = []
    /// What the host says does not answer.
    var told: Set<IPAddress> = []
}

/// Echoes between hosts, as the kernels and the network let them pass.
extension World {
    /// An echo reaches a host whose kernel knows the sender, and comes back the same way.
    mutating func echo(_ targets: [IPAddress], _ round: UInt64, from host: Int) {
        begin(targets, on: host)
        guard let number = hosts[host].agent?.number else { return }
        for vtep in targets {
            guard let other = hosts.firstIndex(where: { $0.addresses.contains(vtep) && $0.original == nil }),
                hosts[other].isUp,
                !weather.isCut(hosts[host].nameIndex, other), hosts[other].kernel.knows(hosts[host].sender),
                hosts[host].kernel.knows(hosts[other].sender),
                !echoDice.chance(phase == .safety ? 0.02 : 0)
            else { continue }
            let sizes = weather.isNarrow(hosts[host].nameIndex, other) ? [false] : [false, true]
            for isFull in sizes {
                hosts[host].agent?.echoes.append(Echo(vtep: vtep, round: round, isFull: isFull))
                queue.put(.echo, host, ticket: number, at: now + echoDice.time(1, 3 * 1000) * Time.microsecond)
            }
        }
    }

    mutating func hearEcho(on host: Int) {
        guard let echo = hosts[host].agent?.echoes.popFirst() else { return }
        if echo.isFull {
            checks.echoes[host].heard.insert(echo.vtep)
            checks.echoes[host].missed[echo.vtep] = 0
        }
        feed(.echoAnswered(echo.vtep, round: echo.round, isFull: echo.isFull), to: host)
    }

    private mutating func begin(_ targets: [IPAddress], on host: Int) {
        var tally = checks.echoes[host]
        // Whoever was not asked in the round before has missed nothing.
        let missed = targets.map { vtep in
            (vtep, tally.missed[vtep].map { tally.heard.contains(vtep) ? 0 : $0 + 1 } ?? 0)
        }
        tally.missed = Dictionary(uniqueKeysWithValues: missed)
        tally.heard = []
        checks.echoes[host] = tally
    }

    /// A path is called silent, or narrow, only when three rounds have gone by without an answer to the long echo.
    mutating func observe(_ report: HostReport, from host: Int) {
        let silent = Set(report.silentPaths)
        for vtep in silent.sorted() where checks.echoes[host].missed[vtep] ?? 0 < 3 {
            violate(7, "host \(host) calls the path to \(vtep) silent, which answers")
        }
        if checks.echoes[host].told.subtracting(silent).contains(where: { checks.echoes[host].missed[$0] == 0 }) {
            probes.hit(.pathMended)
        }
        checks.echoes[host].told = silent
    }
}
