public import ControlAPI
public import CoordinatorCore
import NetworkTypes

extension Outrider_V1_TalkingGroups {
    init(_ entry: TalkingGroups) {
        self.init()
        sourceApplication = entry.source.application.description
        sourceHost = entry.source.host.description
        destinationApplication = entry.destination.application.description
        destinationHost = entry.destination.host.description
        bytesPerS = entry.bytesPerSecond
    }
}

extension Outrider_V1_Communication {
    public init(_ info: CommunicationInfo) {
        self.init()
        groups = info.groups.map(Outrider_V1_TalkingGroups.init)
        applications = info.applications.map { entry in
            var message = Outrider_V1_TalkingApplications()
            message.sourceApplication = entry.source.description
            message.destinationApplication = entry.destination.description
            message.bytesPerS = entry.bytesPerSecond
            return message
        }
        advice = info.advice.map { entry in
            var message = Outrider_V1_CommunicationAdvice()
            message.application = entry.application.description
            message.hosts = entry.hosts.map(\.description)
            message.neighbours = entry.neighbours.map(\.description)
            return message
        }
    }
}
