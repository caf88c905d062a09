"""Makes stacks of a template in a stand-in of AWS, and sends messages their way: ENDPOINT TEMPLATE STACK... What came of each, as one JSON
document. A record that EventBridge has from AWS can be sent to moto alone: others refuse to take it from anybody else, as AWS does."""

import gzip
import json
import pathlib
import sys
import time

import boto3

ENDPOINT, TEMPLATE, *STACKS = sys.argv[1:]
BUCKET = "trail-bucket"
KEY = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/05/a b+c_CloudTrail_us-east-1_20261005T0900Z_x.json.gz"
RECORD = {
    "eventVersion": "1.09",
    "eventID": "0a1b2c3d-0000-4000-8000-000000000001",
    "eventName": "DeactivateMFADevice",
    "eventSource": "iam.amazonaws.com",
    "eventTime": "2026-10-05T09:00:00Z",
    "awsRegion": "us-east-1",
    "recipientAccountId": "111122223333",
}


def client(service):
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


cloudformation, sqs, events, sns, s3, iam = map(
    client, ["cloudformation", "sqs", "events", "sns", "s3", "iam"]
)


def made(name, **parameters):
    """The outputs of a stack, and the names of its resources."""
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=open(TEMPLATE, encoding="utf-8").read(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    resources = cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
    return outputs, sorted(one["LogicalResourceId"] for one in resources if "LogicalResourceId" in one)


def received(url):
    """The bodies of the messages of a queue."""
    bodies = []
    for _ in range(50):
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            bodies.append(json.loads(message["Body"]))
        if bodies:
            break
        time.sleep(0.1)
    return bodies


def record(source="aws.iam", detail_type="AWS API Call via CloudTrail", **changes):
    """Sends a record; whether it was taken."""
    # What has an id of its own is a whole record.
    detail = json.dumps(changes if "eventID" in changes else {**RECORD, **changes})
    answer = events.put_events(Entries=[{"Source": source, "DetailType": detail_type, "Detail": detail}])
    return answer["FailedEntryCount"] == 0


def attributes(url):
    every = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {key: json.loads(value) if value[:1] == "{" else value for key, value in every.items()}


def policy(arn):
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def by_event_bridge(topic):
    outputs, resources = made("by-event-bridge", TrailBucket=BUCKET, AlarmTopicArn=topic)
    url = outputs["QueueUrl"]
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    # Made up by somebody of the account, of another service, of another kind, not of the archive: none is for this queue.
    record(source="com.example.forged")
    record(eventSource="ec2.amazonaws.com")
    record(detail_type="AWS Health Event")
    s3.put_object(Bucket=BUCKET, Key="Config/other.json", Body=b"{}")
    taken = record()
    records = received(url) if taken else []
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"{}")
    return {
        "outputs": outputs,
        "resources": resources,
        "records": records,
        "objects": received(url),
        "rest": sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0).get("Messages", []),
        "queue": attributes(url),
        "dead_letter_queue": attributes(outputs["DeadLetterQueueUrl"]),
        "policy": policy(outputs["PolicyArn"]),
        "role": iam.list_attached_role_policies(RoleName=outputs["RoleArn"].rsplit("/", 1)[1])["AttachedPolicies"],
    }


def by_topic(topic):
    outputs, resources = made(
        "by-topic",
        TrailBucket=BUCKET,
        ObjectNotices="Topic",
        NoticeTopicArn=topic,
        RecordEvents="false",
        RoleFor="None",
        TrailKeyArn="arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000002",
        SecretArns="arn:aws:secretsmanager:us-east-1:111122223333:secret:slack-AbCdEf",
    )
    sns.publish(TopicArn=topic, Message=json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": [KEY]}))
    url = outputs["QueueUrl"]
    return {
        "outputs": outputs,
        "resources": resources,
        "objects": received(url),
        "queue": attributes(url),
        "policy": policy(outputs["PolicyArn"]),
    }


def by_bucket(_topic):
    outputs, resources = made("by-bucket", TrailBucket=BUCKET, ObjectNotices="S3", RecordEvents="false", RoleFor="ECS")
    url = outputs["QueueUrl"]
    notified = {"QueueConfigurations": [{"QueueArn": outputs["QueueArn"], "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=notified)
    tested = received(url)
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"{}")
    return {"outputs": outputs, "resources": resources, "tested": tested, "objects": received(url), "queue": attributes(url)}


def watched(_topic):
    """A stack whose queue nobody reads here: what of the fixtures' month is about somebody's device is written into its bucket, and a
    part of the records come by themselves, too."""
    outputs, _ = made("watched", TrailBucket=BUCKET)
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    count, archive = 0, pathlib.Path("fixtures/archive")
    for path in sorted(archive.rglob("*.json.gz")):
        text = gzip.decompress(path.read_bytes())
        if b"MFADevice" not in text:
            continue
        s3.put_object(Bucket=BUCKET, Key=path.relative_to(archive).as_posix(), Body=path.read_bytes())
        for one in json.loads(text)["Records"][::2]:
            if one["eventSource"] == "iam.amazonaws.com" and not one.get("readOnly"):
                record(**one)
        count += 1
    return {"outputs": outputs, "objects": count, "queue": attributes(outputs["QueueUrl"])}


s3.create_bucket(Bucket=BUCKET)
TOPIC = sns.create_topic(Name="cloudtrail")["TopicArn"]
print(json.dumps({name: globals()[name](TOPIC) for name in STACKS}))
