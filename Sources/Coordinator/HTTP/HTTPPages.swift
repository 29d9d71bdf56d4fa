import CoordinatorCore
import DaemonSupport
import HTTPTypes

/// What the coordinator says over HTTP.
struct HTTPPages: Sendable {
    struct Page: Sendable {
        var status = 200
        var contentType = "text/plain; charset=utf-8"
        var text: String
    }

    let shell: CoordinatorShell
    let prometheus: PrometheusCounts?
    let peer: ProfilerPeer

    func page(_ method: HTTPRequest.Method, _ path: String) async -> Page {
        guard method == .get || method == .head else { return Page(status: 405, text: "only GET and HEAD\n") }
        switch path {
        case "/healthz":
            // The process answers; what the writer cannot store, it ends with.
            return Page(text: "ok\n")
        case "/readyz": return await ready()
        case "/metrics": return await metrics()
        default: return Page(status: 404, text: "there are /metrics, /healthz and /readyz\n")
        }
    }

    /// Whether calls are answered: what was read is durable.
    private func ready() async -> Page {
        do {
            if peer.place == .alone { return try await following() }
            let isRestoring = try await shell.read { (machine, _) throws(CoordinatorError) in machine.isRestoring }
            return Page(text: isRestoring ? "ok, restoring: nothing moves before hosts say what they hold\n" : "ok\n")
        } catch {
            return Page(status: 503, text: "the store cannot be written; the coordinator is stopping\n")
        }
    }

    /// A profiler is of use once it knows which applications there are.
    private func following() async throws -> Page {
        let isOfUse = try await shell.read { (machine, now) throws(CoordinatorError) in
            machine.followedAge(at: now) != nil || !machine.followedApplications.isEmpty
        }
        guard isOfUse else { return Page(status: 503, text: "the coordinator has not said anything yet\n") }
        return Page(text: peer.link?.isUp == true ? "ok\n" : "ok, the coordinator is away: nothing is learnt\n")
    }

    private func metrics() async -> Page {
        do {
            let figures = try await shell.read { (machine, now) throws(CoordinatorError) in
                CoordinatorFigures(machine, at: now)
            }
            let ruling = peer.place == .alone ? [] : figures.ruling + Self.families(shell.streams)
            let learning = peer.place == .elsewhere ? [] : figures.profiling
            let all =
                figures.process + ruling + figures.feedFamilies + learning + (prometheus?.values.families ?? [])
                + peer.families
            return Page(contentType: MetricsText.contentType, text: MetricsText.text(all))
        } catch {
            return Page(status: 503, text: "the store cannot be written; the coordinator is stopping\n")
        }
    }

    private static func families(_ streams: AgentStreams) -> [MetricFamily] {
        [
            MetricFamily("outrider_agent_streams", .gauge, "Open streams of agents.", streams.count),
            MetricFamily(
                "outrider_agent_stream_overflows_total", .counter, "Streams cut off because their agent was too slow.",
                streams.overflows),
        ]
    }
}
