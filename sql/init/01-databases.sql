-- Run once on an empty server, as its superuser, by the local stack and by docker-compose.
CREATE DATABASE steamline;
CREATE DATABASE mlflow;
