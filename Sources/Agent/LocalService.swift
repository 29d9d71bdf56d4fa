import AgentCore
import FleetProtocol
import LocalAPI
import Netlink
import NetworkTypes

/// The agent behind its socket: turns calls into inputs of the machine and replies into answers.
struct LocalService: AgentService {
    let shell: AgentShell
    let worker: KernelWorker
    let telemetry: TelemetryWorker
    let stateDirectory: String

    func attach(_ call: AttachCall) async throws(AgentFailure) -> Attachment {
        // Looked at first: a launch must not fail half way for a process that is not there.
        let workload = try telemetry.check(call.workload)
        let request = AttachRequest(
            application: call.application, session: call.session, interface: call.interface, mac: call.mac,
            port: PortRequest(call.port), timeout: call.timeout)
        let answer = try await attachment(shell.call { .attach($0, request) })
        telemetry.assign(workload, to: call.interface)
        return answer
    }

    func plug(_ call: PlugCall) async throws(AgentFailure) -> Attachment {
        let workload = try telemetry.check(call.workload)
        let request = PlugRequest(interface: call.interface, port: call.port, namespace: call.namespace)
        let answer = try await attachment(shell.call { .plug($0, request) })
        telemetry.assign(workload, to: call.interface)
        return answer
    }

    func detach(_ call: DetachCall) async throws(AgentFailure) {
        if case .failure(let error) = await shell.call({ .detach($0, call.interface, hold: call.hold) }) {
            throw AgentFailure(error)
        }
    }

    func resolve() async throws(AgentFailure) {
        if case .failure(let error) = await shell.call({ .resolveRecovery($0) }) { throw AgentFailure(error) }
    }

    func status() async throws(AgentFailure) -> AgentStatusReport {
        let host = await worker.report()
        await shell.feed(.hostReport(host))
        switch await shell.call({ .status($0) }) {
        case .success(.status(let status)):
            var report = AgentStatusReport(status)
            report.telemetry = await telemetry.report(status.backlog)
            report.damagedJournals = AgentJournal.asides(in: stateDirectory)
            return report
        case .success: throw .dataplaneFailed(reason: "the machine answered another call")
        case .failure(let error): throw AgentFailure(error)
        }
    }

    func drops() async throws(AgentFailure) -> DropReport {
        switch await worker.drops() {
        case .success(let counts):
            return DropReport(
                drops: counts.map {
                    DropReport.Drop(
                        reason: $0.reason.rawValue, place: $0.reason.place.rawValue, packets: $0.packets,
                        bytes: $0.bytes, explanation: $0.reason.explanation)
                })
        case .failure(let error): throw .dataplaneFailed(reason: error.reason)
        }
    }

    private func attachment(_ result: Result<AgentReply, AgentError>) throws(AgentFailure) -> Attachment {
        switch result {
        case .success(.attached(let answer)): return Attachment(answer)
        case .success: throw .dataplaneFailed(reason: "the machine answered another call")
        case .failure(let error): throw AgentFailure(error)
        }
    }
}

extension PortRequest {
    init(_ wish: PortWish) {
        switch wish {
        case .veth(let namespace, let name): self = .veth(namespace: namespace, name: name)
        case .tap(let uid, let gid): self = .tap(owner: uid, group: gid)
        case .later: self = .later
        }
    }
}

extension Attachment {
    init(_ answer: AttachAnswer) {
        self.init(
            sni: answer.sni, ipv4: answer.ipv4, ipv6: answer.ipv6, gateway4: answer.gateway4,
            gateway6: answer.gateway6, mtu: answer.mtu, port: answer.port, mac: answer.mac,
            priority: answer.priority.rawValue, servedFrom: answer.servedFrom.rawValue)
    }
}

extension AgentFailure {
    /// The one table from the machine's errors to those of the socket.
    init(_ error: AgentError) {
        switch error {
        case .recovering: self = .recovering
        case .notGranted(let reason): self = .notGranted(reason: reason)
        case .bindingsSuspended(let silent): self = .bindingsSuspended(silentFor: silent)
        case .unknownApplication(let id): self = .unknownApplication(id.description)
        case .applicationDeleting(let id): self = .applicationDeleting(id.description)
        case .noIdentifiers(let code, let detail): self = .noIdentifiers(code: code, detail: detail)
        case .timedOut(let waited, let connected): self = .timedOut(waited: waited, connected: connected)
        case .duplicateInterface(let interface, let sni, let difference):
            self = .duplicateInterface(interface, sni: sni, difference: difference)
        case .noSuchBinding(let interface): self = .noSuchBinding(interface)
        case .detachedMeanwhile(let interface): self = .detached(interface)
        case .invalid(let parameter, let reason): self = .other(.invalidParameter(parameter, reason: reason))
        case .port(let failure): self = AgentFailure(failure)
        case .dataplane(let reason): self = .dataplaneFailed(reason: reason)
        case .journal(let reason): self = .journalFailed(reason: reason)
        case .tooManyWaiting(let limit): self = .tooManyWaiting(limit: limit)
        }
    }

    private init(_ failure: PortFailure) {
        switch failure {
        case .noSuchNamespace(let text): self = .portFailed(kind: "no-such-namespace", subject: text, detail: "")
        case .noSuchPort(let text): self = .portFailed(kind: "no-such-port", subject: text, detail: "")
        case .nameTaken(let text): self = .portFailed(kind: "name-taken", subject: text, detail: "")
        case .belongsToAnother(let port, let owner):
            self = .portFailed(kind: "belongs-to-another", subject: port, detail: owner)
        case .unsupported(let port, let kind): self = .portFailed(kind: "unsupported", subject: port, detail: kind)
        case .failed(let text): self = .portFailed(kind: "failed", subject: "", detail: text)
        }
    }
}
