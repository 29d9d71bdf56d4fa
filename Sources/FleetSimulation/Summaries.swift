import AgentCore
import CoordinatorCore
import FleetProtocol
import NetworkTypes
import SNISpace

// One short line for each thing that can happen, for the log.

extension AgentMessage {
    var summary: String {
        switch self {
        case .hello(let hello):
            "hello at \(hello.position), journal \(hello.journalSequence), \(hello.leases.count) leases, "
                + "\(hello.bindings.count) bindings\(hello.recovering ? ", recovering" : "")"
        case .stateAck(let position): "ack \(position)"
        case .leaseRequest(let request): "lease request \(request.request) for \(request.waiting)"
        case .drainAnswer(let answer):
            switch answer.outcome {
            case .drained: "drained \(answer.block) at \(answer.epoch)"
            case .refused(let reason, _): "keeps \(answer.block) at \(answer.epoch): \(reason)"
            }
        case .bindingReport(let report): "\(report.events.count) bindings to \(report.journalSequence)"
        case .aggregates(let batch): "aggregates \(batch.sequence)"
        case .hostReport: "host report"
        case .arrived(let sni, let epoch): "arrived \(sni) at \(epoch)"
        }
    }
}

extension CoordinatorMessage {
    var summary: String {
        switch self {
        case .bootGrant: "boot grant"
        case .bootRefusal(let code, _): "refused: \(code)"
        case .bindingStop(_, let code, _): "binding stop: \(code)"
        case .stateUpdate(let update):
            (update.isSnapshot ? "snapshot" : "update on \(update.baseRevision)")
                + update.operations.map { " " + $0.summary }.joined()
        case .leaseAnswer(let answer):
            switch answer.outcome {
            case .granted(let block): "granted \(block) to \(answer.request)"
            case .refused(let code, _): "refused \(answer.request): \(code)"
            }
        case .reportAck(let journal, let aggregate): "report ack \(journal) \(aggregate)"
        }
    }
}

extension StateOperation {
    var summary: String {
        switch self {
        case .setScope(let scope): "+scope \(scope.name)"
        case .removeScope: "-scope"
        case .setLease(let order):
            "+lease \(order.block)@\(order.epoch)\(order.staged ? " staged" : "")\(order.marked ? " marked" : "")"
                + (order.force ? " force" : "")
        case .removeLease(let block, let epoch): "-lease \(block)@\(epoch)"
        case .setRemote(let remote): "+remote \(remote.block)@\(remote.epoch)"
        case .removeRemote(let block, let epoch): "-remote \(block)@\(epoch)"
        case .dropEndpoint(let vtep): "-endpoint \(vtep)"
        case .admitEndpoint(let vtep): "+endpoint \(vtep)"
        case .switchEndpoint(let vtep): "from \(vtep)"
        case .setDeparture(let departure): "+departure \(departure.sni) \(departure.phase)"
        case .removeDeparture(let sni, _): "-departure \(sni)"
        }
    }
}

extension JournalRecord {
    var summary: String {
        switch self {
        case .grant: "grant"
        case .stopped(_, _, _, let code, _): "stopped: \(code)"
        case .held(let sni, let hold): "held \(sni) for \(hold)"
        case .arrived(let sni): "arrived \(sni)"
        case .resting(let flag): "resting \(flag)"
        case .refused(let code, _): "refused \(code)"
        case .contact: "contact"
        case .update(let position, let update): "update \(position), \(update.operations.count) operations"
        case .bound(let bound): "bound \(bound.binding.sni) to \(bound.binding.interface) at \(bound.binding.epoch)"
        case .unbound(let sni): "unbound \(sni)"
        case .ended(let sni): "ended \(sni)"
        case .plugged(let sni): "plugged \(sni)"
        case .drained(let block, let epoch): "drained \(block) at \(epoch)"
        case .reported(let sequence): "reported \(sequence)"
        case .recovering(let flag): "recovering \(flag)"
        case .checkpoint: "checkpoint"
        }
    }
}

extension CoordinatorEvent {
    var summary: String {
        guard case .book(let event) = self else { return "\(self)".prefix(100).description }
        switch event {
        case .leased(let lease): return "leased \(lease.block) to \(lease.host) at \(lease.epoch)"
        case .staged(let block): return "staged \(block)"
        case .marked(let block, let epoch, let reason, let force):
            return "marked \(block) at \(epoch)\(force ? " by force" : ""): \(reason)"
        case .markAborted(let block, let epoch): return "aborted \(block) at \(epoch)"
        case .drained(let block, let epoch): return "drained \(block) at \(epoch)"
        case .removed(let block): return "removed \(block)"
        case .freed(let block): return "freed \(block)"
        case .superseded(let block): return "superseded \(block)"
        case .reserved(let made): return "reserved \(made.block) (\(made.reason))"
        case .reservationEnded(_, let reason): return "reservation ended: \(reason)"
        case .unreserved(let block, _): return "unreserved \(block)"
        default: return "\(event)".prefix(100).description
        }
    }
}

extension AgentInput {
    var summary: String {
        switch self {
        case .attach(_, let wish): "attach \(wish.interface)"
        case .plug(_, let wish): "plug \(wish.interface)"
        case .detach(_, let interface, let hold): "detach \(interface)" + (hold.map { ", held for \($0)" } ?? "")
        default: "another call"
        }
    }
}

extension Result where Success == AgentReply, Failure == AgentError {
    var summary: String {
        switch self {
        case .success(.attached(let answer)): "attached as \(answer.sni), \(answer.servedFrom)"
        case .success(.detached): "detached"
        case .success(.status): "status"
        case .failure(let error): "\(error)"
        }
    }
}

extension Command {
    var summary: String { "\(self)".prefix(140).description }
}

extension Result where Success == Reply, Failure == CoordinatorError {
    var summary: String {
        switch self {
        case .success(let reply): "\(reply)".prefix(120).description
        case .failure(let error): "\(error)"
        }
    }
}
