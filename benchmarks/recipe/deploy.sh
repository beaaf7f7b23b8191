#!/bin/sh
# The usual deploy: bake, cut the AMI out of Packer's output, apply. `deploy.sh TEMPLATE -var...`
set -e
packer build -machine-readable "$@" | tee build.log | grep 'artifact,0,id' | cut -d, -f6 | cut -d: -f2 > ami.id
echo "ami_id = \"$(cat ami.id)\"" > ami.auto.tfvars
terraform init -input=false
terraform apply -auto-approve -input=false
