import ArgumentParser
import ControlAPI

struct ApplicationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "app", abstract: "Applications and their policies.",
        subcommands: [
            ApplicationList.self, ApplicationShow.self, ApplicationCreate.self, ApplicationSet.self,
            ApplicationDelete.self,
        ])
}

extension Outrider_V1_Application {
    /// Everything about one application.
    var facts: [String] {
        var facts = Facts()
        facts.add("name", name)
        facts.add("id", id)
        facts.add("state", deleting ? "deleting" : "active")
        facts.add("priority", policy.priority.word)
        facts.add("mode", policy.mode.word)
        facts.add("bound", bound)
        facts.add("leased", leased)
        facts.add("owned", owned)
        facts.add("floor", policy.floor)
        facts.add("cap", policy.cap == 0 ? "none" : String(policy.cap))
        facts.add("low watermark", policy.lowWatermark)
        facts.add("high watermark", policy.highWatermark == 0 ? "one block" : String(policy.highWatermark))
        facts.add("threshold", policy.threshold == 0 ? "by priority" : Words.fraction(policy.threshold))
        facts.add("cost ratio", policy.costRatio == 0 ? "by priority" : Words.number(policy.costRatio))
        facts.add("block size", policy.blockSize == 0 ? "default" : String(policy.blockSize))
        facts.add("may talk to", policy.allowedApplications.joined(separator: " "))
        facts.add("revision", revision)
        return facts.lines
    }
}
